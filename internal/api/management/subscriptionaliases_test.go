package management_test

import (
	"fmt"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// newSubscription makes a subscription under an alias and returns its id.
func (s *stack) newSubscription(t *testing.T, caller, name, more string) string {
	t.Helper()
	var made struct {
		Properties struct{ SubscriptionID, ProvisioningState string }
	}
	w := s.want(t, 201, caller, "PUT", alias+name+al21, `{"properties":{"displayName":"`+name+`","workload":"Production","billingScope":"/billingAccounts/x"`+more+`}}`)
	if decode(t, w, &made); made.Properties.ProvisioningState != "Accepted" {
		t.Errorf("new alias: %s", w.Body)
	}
	return made.Properties.SubscriptionID
}

// TestSubscriptionCreatorIsOwner makes subscriptions as Owner of a management group and as a Global Administrator.
func TestSubscriptionCreatorIsOwner(t *testing.T) {
	s := newStack(t)
	const body = `{"properties":{"displayName":"New","workload":"Production"}}`
	s.want(t, 403, "nobody", "PUT", alias+"new"+al21, body)
	s.want(t, 403, "owner", "PUT", alias+"new"+al21, body) // Owner of a subscription only
	s.addCaller(t, "root")
	s.assign(t, "root", "Owner", mg+tenant)
	s.group(t, "root", "team", "")
	s.assign(t, "nobody", "Contributor", mg+"team")
	made := s.newSubscription(t, "nobody", "new", `,"additionalProperties":{"managementGroupId":"`+mg+`TEAM","tags":{"a":"b"}}`)
	s.want(t, 200, "nobody", "GET", "/subscriptions/"+made+core, "")
	s.want(t, 201, "nobody", "PUT", "/subscriptions/"+made+"/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 200, "nobody", "GET", mg+"team/subscriptions/"+made+mg20, "")
	s.want(t, 403, "owner", "GET", "/subscriptions/"+made+core, "")
	if w := s.want(t, 200, "nobody", "PUT", alias+"NEW"+al21, body); !strings.Contains(w.Body.String(), made) || !strings.Contains(w.Body.String(), "Succeeded") {
		t.Errorf("the same alias again: %s", w.Body)
	}
	s.want(t, 403, "reader", "PUT", alias+"new"+al21, body)
	s.want(t, 403, "reader", "GET", alias+"new"+al21, "")
	s.want(t, 403, "reader", "DELETE", alias+"new"+al21, "")
	if w := s.want(t, 200, "reader", "GET", strings.TrimSuffix(alias, "/")+al21, ""); strings.Contains(w.Body.String(), made) {
		t.Errorf("aliases: %s", w.Body)
	}
	s.want(t, 200, "nobody", "GET", alias+"new"+al21, "")
	s.want(t, 200, "nobody", "DELETE", alias+"new"+al21, "")
	s.want(t, 204, "nobody", "DELETE", alias+"new"+al21, "")
	s.want(t, 200, "nobody", "GET", "/subscriptions/"+made+core, "")

	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		return s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.callers["reader"].ID)
	})
	must(t, err)
	second := s.newSubscription(t, "reader", "second", `,"additionalProperties":{"subscriptionOwnerId":"`+s.callers["nobody"].ID+`","subscriptionTenantId":"`+tenant+`"}`)
	s.want(t, 403, "reader", "GET", "/subscriptions/"+second+core, "")
	s.want(t, 200, "nobody", "GET", "/subscriptions/"+second+core, "")
	s.want(t, 201, "nobody", "PUT", alias+"third"+al21, `{"properties":{"subscriptionId":"`+second+`"}}`)
	s.want(t, 403, "nobody", "PUT", alias+"fourth"+al21, `{"properties":{"subscriptionId":"`+sub+`"}}`)
}

// TestOwnersOfSelfMadeGroupsMakeNoSubscriptions has a caller without any role make groups and move them, to become the
// Owner of a subscription. An administrator's write of the group ends the refusal.
func TestOwnersOfSelfMadeGroupsMakeNoSubscriptions(t *testing.T) {
	s := newStack(t)
	s.addCaller(t, "root")
	s.assign(t, "root", "Owner", mg+tenant)
	wanted := func(group string) string {
		return `{"properties":{"displayName":"New","additionalProperties":{"managementGroupId":"` + group + `"}}}`
	}
	s.group(t, "nobody", "own", "")
	s.group(t, "nobody", "inner", "own")
	s.want(t, 403, "nobody", "PUT", alias+"new"+al21, wanted("own"))
	s.want(t, 403, "nobody", "PUT", alias+"new"+al21, wanted("inner"))
	s.want(t, 200, "nobody", "PATCH", mg+"inner"+mg20, `{"parentGroupId":"`+mg+tenant+`"}`)
	s.want(t, 403, "nobody", "PUT", alias+"new"+al21, wanted("inner"))
	s.want(t, 200, "nobody", "PATCH", mg+"own"+mg20, `{"displayName":"Mine"}`)
	s.want(t, 403, "nobody", "PUT", alias+"new"+al21, wanted("own"))
	s.want(t, 201, "root", "PUT", alias+"of-root"+al21, wanted("own"))
	s.want(t, 200, "root", "PATCH", mg+"own"+mg20, `{"displayName":"Approved"}`)
	s.want(t, 201, "nobody", "PUT", alias+"new"+al21, wanted("own"))
	s.want(t, 200, "nobody", "PATCH", mg+"inner"+mg20, `{"parentGroupId":"`+mg+`own"}`)
	s.want(t, 201, "nobody", "PUT", alias+"newer"+al21, wanted("inner"))
}

// TestCancelledSubscriptionIsReadOnly cancels a subscription in both forms of the path.
func TestCancelledSubscriptionIsReadOnly(t *testing.T) {
	s := newStack(t)
	const (
		rg  = "{sub}/resourceGroups/rg" + core
		rp  = "{sub}/providers/Microsoft.Subscription/"
		old = "/providers/Microsoft.Subscription/subscriptions/" + sub + "/"
	)
	s.want(t, 201, "owner", "PUT", rg, `{"location":"eastus"}`)
	s.want(t, 403, "reader", "POST", rp+"cancel"+al21, "")
	s.want(t, 403, "reader", "POST", old+"cancel"+al21, "")
	s.want(t, 403, "owner", "POST", strings.ReplaceAll(old, sub, otherSub)+"cancel"+al21, "")
	s.want(t, 400, "owner", "POST", rp+"cancel?api-version=2024-08-01-preview", "") // it has a group
	for i, path := range []string{rp + "cancel" + al21, old + "cancel" + al21, rp + "cancel?api-version=2024-08-01-preview&IgnoreResourceCheck=true"} {
		s.want(t, 200, "owner", "POST", path, "")
		if w := s.want(t, 200, "reader", "GET", "{sub}"+core, ""); !strings.Contains(w.Body.String(), `"state":"Disabled"`) {
			t.Errorf("the cancelled subscription: %s", w.Body)
		}
		if c := code(t, s.want(t, 409, "owner", "PUT", rg, `{"location":"eastus"}`)); c != "ReadOnlyDisabledSubscription" {
			t.Errorf("a write: %s", c)
		}
		s.want(t, 403, "reader", "PUT", rg, `{"location":"eastus"}`)
		s.want(t, 200, "owner", "GET", rg, "")
		s.want(t, 200, "owner", "POST", rp+"rename"+al21, fmt.Sprintf(`{"subscriptionName":"Name %d"}`, i))
		enable := []string{rp + "enable" + al21, old + "enable" + al21}[i%2]
		s.want(t, 403, "reader", "POST", enable, "")
		s.want(t, 200, "owner", "POST", enable, "")
		s.want(t, 200, "owner", "PUT", rg, `{"location":"eastus"}`)
	}
	s.want(t, 400, "owner", "POST", rp+"rename"+al21, `{"subscriptionName":""}`)
	s.want(t, 400, "owner", "POST", "/providers/Microsoft.Subscription/subscriptions/x/cancel"+al21, "")
	if w := s.want(t, 200, "owner", "GET", "{sub}"+core, ""); !strings.Contains(w.Body.String(), "Name 2") {
		t.Errorf("the renamed subscription: %s", w.Body)
	}
}

// TestAliasBadInput has the 400s and 404s of aliases.
func TestAliasBadInput(t *testing.T) {
	s := newStack(t)
	s.assign(t, "owner", "Owner", mg+tenant)
	for body, status := range map[string]int{
		``:   400,
		`{}`: 400,
		`{"properties":{"displayName":"x","workload":"Other"}}`:                                                    400,
		`{"properties":{"displayName":"` + strings.Repeat("x", 65) + `"}}`:                                         400,
		`{"properties":{"displayName":"x","additionalProperties":{"managementGroupId":"none"}}}`:                   400,
		`{"properties":{"displayName":"x","additionalProperties":{"managementGroupId":"/subscriptions/x"}}}`:       400,
		`{"properties":{"displayName":"x","additionalProperties":{"subscriptionTenantId":"` + otherTenant + `"}}}`: 400,
		`{"properties":{"displayName":"x","additionalProperties":{"subscriptionOwnerId":"none"}}}`:                 400,
		`{"properties":{"subscriptionId":"none"}}`:                                                                 400,
		`{"properties":{"subscriptionId":"` + otherSub + `"}}`:                                                     404,
	} {
		if w := s.do(t, "owner", "PUT", alias+"x"+al21, body); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	s.want(t, 400, "owner", "PUT", alias+"a%20b"+al21, `{"properties":{"displayName":"x"}}`)
	s.want(t, 404, "owner", "GET", alias+"x"+al21, "")
	s.newSubscription(t, "owner", "default", "")
}

// TestSubscriptionOperationsThatAreNotServed calls the operations about billing and transfers between tenants.
func TestSubscriptionOperationsThatAreNotServed(t *testing.T) {
	s := newStack(t)
	s.want(t, 404, "owner", "GET", "/providers/Microsoft.Subscription/policies/default"+al21, "")
	s.want(t, 404, "owner", "GET", "/providers/Microsoft.Billing/billingAccounts/x/providers/Microsoft.Subscription/policies/default"+al21, "")
	s.want(t, 404, "owner", "POST", "/providers/Microsoft.Subscription/subscriptions/"+sub+"/acceptOwnership"+al21, "")
}
