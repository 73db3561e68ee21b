package management_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The blocks that a test sends, and those that it expects. S, T, P and C stand for the principal of the
// system-assigned identity, the tenant, and the principal and the client of the user-assigned identity ID.
const (
	noBlock    = ``
	blockNone  = `{"type":"None"}`
	blockS     = `{"type":"SystemAssigned"}`
	blockU     = `{"type":"UserAssigned","userAssignedIdentities":{"ID":{}}}`
	blockSU    = `{"type":"SystemAssigned,UserAssigned","userAssignedIdentities":{"ID":{}}}`
	shownS     = `{"type":"SystemAssigned","principalId":"S","tenantId":"T"}`
	shownU     = `{"type":"UserAssigned","userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	shownUT    = `{"type":"UserAssigned","tenantId":"T","userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	shownSU    = `{"type":"SystemAssigned, UserAssigned","principalId":"S","tenantId":"T","userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	joinedSU   = `{"type":"SystemAssigned,UserAssigned","principalId":"S","tenantId":"T","userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	loweredSU  = `{"type":"systemassigned,userassigned","principalId":"S","tenantId":"T","userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	nullsNone  = `{"type":"None","principalId":null,"tenantId":null,"userAssignedIdentities":null}`
	nullsS     = `{"type":"SystemAssigned","principalId":"S","tenantId":"T","userAssignedIdentities":null}`
	nullsU     = `{"type":"UserAssigned","principalId":null,"tenantId":null,"userAssignedIdentities":{"ID":{"principalId":"P","clientId":"C"}}}`
	nullsSU    = shownSU
	fresh      = `{"type":"UserAssigned","userAssignedIdentities":{"ID":{}}}`
	notShown   = ``
	identityID = "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
)

// identityForms is what the providers show: before a request about identities, for a user-assigned identity, in
// the answer to its assignment, for both kinds, and after the type None.
var identityForms = map[string]struct{ version, before, user, written, both, after string }{
	"Microsoft.Compute/virtualMachines":              {"2024-07-01", notShown, shownU, fresh, shownSU, notShown},
	"Microsoft.Compute/diskEncryptionSets":           {"2024-03-02", notShown, shownU, shownU, shownSU, notShown},
	"Microsoft.Web/sites":                            {"2023-12-01", notShown, shownUT, shownUT, shownSU, notShown},
	"Microsoft.ContainerInstance/containerGroups":    {"2021-09-01", notShown, shownUT, shownUT, shownSU, blockNone},
	"Microsoft.App/containerApps":                    {"2024-03-01", blockNone, shownU, shownU, shownSU, blockNone},
	"microsoft.app/JOBS":                             {"2024-03-01", blockNone, shownU, shownU, shownSU, blockNone},
	"Microsoft.App/managedEnvironments":              {"2024-03-01", notShown, shownU, shownU, shownSU, blockNone},
	"Microsoft.Devices/IotHubs":                      {"2023-06-30", blockNone, shownU, shownU, shownSU, blockNone},
	"Microsoft.DocumentDB/databaseAccounts":          {"2021-04-15", blockNone, shownU, shownU, joinedSU, blockNone},
	"Microsoft.Batch/batchAccounts":                  {"2024-02-01", blockNone, shownU, shownU, shownSU, blockNone},
	"Microsoft.ApiManagement/service":                {"2021-08-01", `null`, shownU, shownU, shownSU, `null`},
	"Microsoft.EventGrid/topics":                     {"2020-10-15-preview", nullsNone, nullsU, nullsU, nullsSU, nullsNone},
	"Microsoft.SignalRService/signalR":               {"2022-02-01", notShown, shownU, shownU, shownSU, notShown},
	"Microsoft.ContainerRegistry/registries":         {"2019-12-01-preview", notShown, shownU, shownU, shownSU, notShown},
	"Microsoft.RecoveryServices/vaults":              {"2021-03-01", notShown, shownU, shownU, shownSU, blockNone},
	"Microsoft.CognitiveServices/accounts":           {"2025-09-01", notShown, shownU, shownU, shownSU, blockNone},
	"Microsoft.Cache/Redis":                          {"2021-06-01", notShown, shownU, shownU, shownSU, blockNone},
	"Microsoft.AppConfiguration/configurationStores": {"2020-06-01", notShown, shownU, shownU, shownSU, blockNone},
	"Microsoft.Storage/storageAccounts":              {"2022-05-01", notShown, shownU, shownU, joinedSU, blockNone},
	"Microsoft.Sql/servers":                          {"2024-11-01-preview", notShown, shownU, shownU, joinedSU, blockNone},
	"Microsoft.Automation/automationAccounts":        {"2023-11-01", notShown, shownU, shownU, loweredSU, blockNone},
	"Microsoft.NetApp/netAppAccounts":                {"2026-04-01", notShown, shownU, shownU, joinedSU, blockNone},
	"Contoso.Apps/jobs":                              {"2024-01-01", notShown, shownU, shownU, shownSU, blockNone},
}

// TestIdentityBlockHasTheFormOfItsProvider sends the same requests to resources of many providers.
func TestIdentityBlockHasTheFormOfItsProvider(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	var app struct{ Properties map[string]string }
	decode(t, s.want(t, 201, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`), &app)
	for typ, form := range identityForms {
		t.Run(typ, func(t *testing.T) {
			r := formTest{s, "{sub}/resourceGroups/rg/providers/" + typ + "/it" + strings.ReplaceAll(typ, "/", "") + "?api-version=" + form.version, app.Properties}
			r.put(t, 201, noBlock, form.before)
			r.get(t, form.before)
			r.put(t, 200, blockU, form.written)
			r.get(t, form.user)
			r.put(t, 200, blockU, form.user)
			r.put(t, 200, blockS, system(form.before))
			r.put(t, 200, blockSU, strings.Replace(form.both, `{"principalId":"P","clientId":"C"}`, written(form.written), 1))
			r.get(t, form.both)
			r.put(t, 200, noBlock, form.both)
			r.put(t, 200, blockNone, form.after)
			r.get(t, form.after)
			r.put(t, 200, noBlock, form.after)
			r.put(t, 200, blockS, system(form.before))
		})
	}
}

// system is the block of a system-assigned identity where a resource without identities has the given one.
func system(before string) string {
	if before == nullsNone {
		return nullsS
	}
	return shownS
}

// written is the value of an identity in the answer to its assignment.
func written(answer string) string {
	if answer == fresh {
		return `{}`
	}
	return `{"principalId":"P","clientId":"C"}`
}

// formTest is a resource whose block identity a test reads.
type formTest struct {
	*stack
	path string
	app  map[string]string // the properties of the user-assigned identity
}

func (r formTest) put(t *testing.T, status int, block, want string) {
	t.Helper()
	body := `{"location":"eastus"}`
	if block != noBlock {
		body = fmt.Sprintf(`{"location":"eastus","identity":%s}`, strings.ReplaceAll(block, "ID", identityID))
	}
	r.check(t, r.want(t, status, "owner", "PUT", r.path, body).Body.Bytes(), "PUT "+block, want)
}

func (r formTest) get(t *testing.T, want string) {
	t.Helper()
	r.check(t, r.want(t, 200, "owner", "GET", r.path, "").Body.Bytes(), "GET", want)
}

func (r formTest) check(t *testing.T, answer []byte, request, want string) {
	t.Helper()
	var body map[string]json.RawMessage
	must(t, json.Unmarshal(answer, &body))
	block, shown := body["identity"]
	if !shown || want == notShown {
		if shown != (want != notShown) {
			t.Errorf("%s: identity is %q, want %q", request, block, want)
		}
		return
	}
	var got, expected any
	must(t, json.Unmarshal(block, &got))
	if is, _ := got.(map[string]any); is["principalId"] != nil {
		want = strings.Replace(want, `"S"`, fmt.Sprintf("%q", is["principalId"]), 1)
	}
	want = strings.NewReplacer(`"ID"`, `"`+identityID+`"`, `"T"`, `"`+tenant+`"`, `"P"`, `"`+r.app["principalId"]+`"`, `"C"`, `"`+r.app["clientId"]+`"`).Replace(want)
	must(t, json.Unmarshal([]byte(want), &expected))
	if diff := cmp.Diff(expected, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", request, diff)
	}
}

// TestIdentityBlockDependsOnTheVersion checks that versions without identities do not show that there are none.
func TestIdentityBlockDependsOnTheVersion(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	const path = "{sub}/resourceGroups/rg/providers/Microsoft.DocumentDB/databaseAccounts/db?api-version="
	s.want(t, 201, "owner", "PUT", path+"2021-04-15", `{"location":"eastus"}`)
	for version, shown := range map[string]bool{"2020-06-01-preview": false, "2021-01-15": false, "2021-03-01-preview": true, "2024-08-15": true} {
		if got := s.want(t, 200, "owner", "GET", path+version, "").Body.String(); strings.Contains(got, `"identity":{"type":"None"}`) != shown {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// TestTypeUserAssignedNeedsAnIdentity checks the refusal of ARM, which is the same for all providers.
func TestTypeUserAssignedNeedsAnIdentity(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, path := range []string{vmPath + compute24, "{sub}/resourceGroups/rg/providers/Microsoft.NetApp/netAppAccounts/it?api-version=2026-04-01"} {
		for _, block := range []string{`{"type":"UserAssigned"}`, `{"type":"UserAssigned","userAssignedIdentities":{}}`, `{"type":"UserAssigned","userAssignedIdentities":null}`} {
			w := s.want(t, 400, "owner", "PUT", path, `{"location":"eastus","identity":`+block+`}`)
			if body := w.Body.String(); !strings.Contains(body, `"code":"MissingIdentityIds","message":"The identity ids must not be null or empty for 'UserAssigned' identity type."`) ||
				w.Header().Get("X-Ms-Failure-Cause") != "gateway" {
				t.Errorf("%s: %s %v", block, body, w.Header())
			}
		}
	}
}

// TestResourcesShowIdentitiesAsARMDoes checks that the list of all resources has one form of identities, in every
// api-version of the list.
func TestResourcesShowIdentitiesAsARMDoes(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	const providers = "{sub}/resourceGroups/rg/providers/"
	s.want(t, 201, "owner", "PUT", providers+"Microsoft.App/containerApps/plain?api-version=2024-03-01", `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", providers+"Microsoft.ContainerInstance/containerGroups/user?api-version=2021-09-01", `{"location":"eastus","identity":`+strings.ReplaceAll(blockU, "ID", identityID)+`}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus","identity":`+strings.ReplaceAll(blockSU, "ID", identityID)+`}`)
	for _, version := range []string{"2016-09-01", "2021-04-01", "2025-04-01"} {
		var list struct {
			Value []struct {
				Name     string
				Identity *struct {
					Type, TenantID         string
					UserAssignedIdentities map[string]struct{ ClientID string }
				}
			}
		}
		decode(t, s.want(t, 200, "owner", "GET", "{sub}/resources?api-version="+version, ""), &list)
		shown := 0
		for _, r := range list.Value {
			want := map[string]string{"user": "UserAssigned ", "vm": "SystemAssigned, UserAssigned " + tenant}[r.Name]
			if want == "" && r.Identity == nil {
				continue
			}
			if r.Identity == nil || r.Identity.Type+" "+r.Identity.TenantID != want || r.Identity.UserAssignedIdentities[identityID].ClientID == "" {
				t.Errorf("%s: %s has %s", version, r.Name, quoted(r.Identity))
			}
			shown++
		}
		if shown != 2 {
			t.Errorf("%s: %d resources with identities", version, shown)
		}
	}
}
