package management_test

import (
	"fmt"
	"strings"
	"testing"
)

// entities returns the names of getEntities in all pages.
func (s *stack) entities(t *testing.T, caller, query string) (names []string) {
	t.Helper()
	for path := "/providers/Microsoft.Management/getEntities" + mg20 + query; path != ""; {
		var page struct {
			Value    []struct{ Name string }
			NextLink string
		}
		decode(t, s.want(t, 200, caller, "POST", path, ""), &page)
		for _, v := range page.Value {
			names = append(names, v.Name)
		}
		path = strings.TrimPrefix(page.NextLink, origin)
	}
	return names
}

// TestEntitiesQuery lists entities with every option. A group with the name of a subscription must not confuse them.
func TestEntitiesQuery(t *testing.T) {
	s := newStack(t)
	s.assign(t, "owner", "Owner", mg+tenant)
	s.group(t, "owner", "a", "")
	s.group(t, "owner", "b", "a")
	s.group(t, "owner", sub, "a")
	s.want(t, 200, "owner", "PUT", mg+sub+"/subscriptions/"+sub+mg20, "")
	for query, want := range map[string]string{
		"&$top=1":                           fmt.Sprint([]string{tenant, sub, "a", "b", sub}),
		"&$top=1&$skip=1":                   fmt.Sprint([]string{sub, "a", "b", sub}),
		"&$skip=9":                          "[]",
		"&$view=GroupsOnly":                 fmt.Sprint([]string{tenant, sub, "a", "b"}),
		"&$view=SubscriptionsOnly":          fmt.Sprint([]string{sub}),
		"&groupName=A":                      "[a]",
		"&$search=ParentOnly&groupName=A":   "[a]",
		"&$search=ChildrenOnly&groupName=A": fmt.Sprint([]string{sub, "b"}),
		"&$search=ChildrenOnly&$filter=name%20eq%20'a'&$view=Audit": fmt.Sprint([]string{sub, "b"}),
		"&$search=ParentAndFirstLevelChildren&groupName=a&$top=1":   fmt.Sprint([]string{sub, "a", "b"}),
		"&$search=allowedParents&groupName=b":                       fmt.Sprint([]string{tenant, sub, "a"}),
		"&$search=AllowedChildren&groupName=b":                      fmt.Sprint([]string{sub, sub}),
		"&$search=AllowedChildren&groupName=" + sub:                 "[b]",
		"&$search=AllowedParents&groupName=none":                    fmt.Sprint([]string{tenant, sub, "a", "b"}),
	} {
		if got := fmt.Sprint(s.entities(t, "owner", query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for _, query := range []string{"&$view=x", "&$search=x&groupName=a", "&$search=ParentOnly", "&$skip=-1", "&$filter=x"} {
		s.want(t, 400, "owner", "POST", "/providers/Microsoft.Management/getEntities"+mg20+query, "")
	}
}

// TestRefusalsInTransactionsExplain moves and creates without rights. Each 403 says how to ask why, and tells nothing about
// what exists.
func TestRefusalsInTransactionsExplain(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "safe", "")
	s.group(t, "nobody", "own", "")
	const none = "99999999-9999-4999-8999-999999999999"
	for _, row := range [][3]string{
		{"PUT", mg + "own/subscriptions/" + sub + mg20, ""},
		{"PUT", mg + "own/subscriptions/" + none + mg20, ""},
		{"PUT", mg + "new" + mg20, `{"properties":{"details":{"parent":{"id":"` + mg + `safe"}}}}`},
		{"PUT", mg + "safe" + mg20, `{}`},
		{"PUT", alias + "new" + al21, `{"properties":{"displayName":"x"}}`},
		{"PUT", alias + "old" + al21, `{"properties":{"subscriptionId":"` + sub + `"}}`},
		{"PUT", alias + "old" + al21, `{"properties":{"subscriptionId":"` + none + `"}}`},
		{"POST", "/providers/Microsoft.Subscription/subscriptions/" + sub + "/cancel" + al21, ""},
		{"POST", "/providers/Microsoft.Subscription/subscriptions/" + none + "/cancel" + al21, ""},
	} {
		w := s.want(t, 403, "nobody", row[0], row[1], row[2])
		if c := code(t, w); c != "AuthorizationFailed" || !strings.Contains(w.Body.String(), "MidasExplain") {
			t.Errorf("%s %s: %s", row[0], row[1], w.Body)
		}
	}
}

// TestAliasOfExistingSubscriptionChangesNothing names an owner, a group and tags with an existing subscription. The alias
// must not claim them.
func TestAliasOfExistingSubscriptionChangesNothing(t *testing.T) {
	s := newStack(t)
	s.addCaller(t, "worker")
	s.assign(t, "worker", "Contributor", "/subscriptions/"+sub)
	s.group(t, "worker", "own", "")
	more := `"additionalProperties":{"managementGroupId":"own","subscriptionOwnerId":"` + s.callers["worker"].ID + `","tags":{"claimed":"b"}}`
	s.want(t, 201, "worker", "PUT", alias+"x"+al21, `{"properties":{"subscriptionId":"`+sub+`","displayName":"claimed",`+more+`}}`)
	body := s.want(t, 200, "worker", "GET", alias+"x"+al21, "").Body.String()
	for _, claim := range []string{"managementGroupId", "subscriptionOwnerId", "claimed"} {
		if strings.Contains(body, claim) {
			t.Errorf("the alias claims %s: %s", claim, body)
		}
	}
	s.want(t, 404, "worker", "GET", mg+"own/subscriptions/"+sub+mg20, "")
}

// TestDisplayNamesWithoutControlCharacters refuses the control characters of Unicode in display names.
func TestDisplayNamesWithoutControlCharacters(t *testing.T) {
	s := newStack(t)
	s.group(t, "owner", "a", "")
	for _, name := range []string{`a\u0000`, `a\nb`, `a\u007f`, `a\u0085b`, `\u009b31m`} {
		s.want(t, 400, "owner", "PATCH", mg+"a"+mg20, `{"displayName":"`+name+`"}`)
		s.want(t, 400, "owner", "POST", "{sub}/providers/Microsoft.Subscription/rename"+al21, `{"subscriptionName":"`+name+`"}`)
	}
}
