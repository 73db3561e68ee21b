package management_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// The tests of this file pin lines of docs/azure-divergences.md that nothing else pins.

func TestGroupDeletionRetryAfter(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	w := s.want(t, 202, "owner", "DELETE", "{sub}/resourceGroups/rg"+core, "")
	for poll := strings.TrimPrefix(w.Header().Get("Location"), origin); w.Code == http.StatusAccepted; w = s.do(t, "owner", "GET", poll, "") {
		if got := w.Header().Get("Retry-After"); got != "1" {
			t.Fatalf("Retry-After is %q, want 1", got)
		}
		time.Sleep(time.Millisecond)
	}
}

// A role assignment at an identity does not apply to a later identity of the same name.
func TestDeletingAnIdentityDeletesAssignmentsAtIt(t *testing.T) {
	s := newStack(t)
	const app = identities + "/app"
	const at = app + "/providers/Microsoft.Authorization/roleAssignments"
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", app+someVersion, `{"location":"eastus"}`)
	s.want(t, 403, "nobody", "GET", app+someVersion, "")
	s.want(t, 201, "owner", "PUT", at+"/"+uuid.NewString()+"?api-version=2022-04-01", `{"properties":{"principalId":"`+s.callers["nobody"].ID+
		`","roleDefinitionId":"/subscriptions/`+sub+`/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"}}`)
	s.want(t, 200, "nobody", "GET", app+someVersion, "")

	s.want(t, 200, "owner", "DELETE", app+someVersion, "")
	s.want(t, 201, "owner", "PUT", app+someVersion, `{"location":"eastus"}`)
	s.want(t, 403, "nobody", "GET", app+someVersion, "")
	filter := "&$filter=" + url.QueryEscape("principalId eq '"+s.callers["nobody"].ID+"'")
	if w := s.want(t, 200, "owner", "GET", at+"?api-version=2022-04-01"+filter, ""); strings.TrimSpace(w.Body.String()) != `{"value":[]}` {
		t.Errorf("left behind: %s", w.Body)
	}
}

func TestResourceListFilters(t *testing.T) {
	s := newStack(t)
	for _, group := range []string{"rg", "rg1"} {
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+group+core, `{"location":"eastus"}`)
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+group+"/providers/A.B/widgets/w-"+group+compute24, `{"location":"westus","tags":{"Env":"test"}}`)
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+group+"/providers/A.B/widgets/x-"+group+compute24, `{"location":"eastus","tags":{"env":"Test","other":"test"}}`)
	}
	for filter, want := range map[string][]string{
		"name eq 'W-RG'":                                   {"w-rg"},
		"resourceGroup eq 'RG1'":                           {"w-rg1", "x-rg1"},
		"location eq 'West US'":                            {"w-rg", "w-rg1"},
		"tagName eq 'ENV'":                                 {"w-rg", "x-rg", "w-rg1", "x-rg1"},
		"tagName eq 'env' and tagValue eq 'test'":          {"w-rg", "w-rg1"},
		"tagValue eq 'Test'":                               {"x-rg", "x-rg1"},
		"resourceType eq 'a.b/WIDGETS' and name eq 'x-rg'": {"x-rg"},
		"resourceGroup eq 'rg' and location eq 'eastus'":   {"x-rg"},
		"name eq 'w'":                                      nil,

		// As Azure PowerShell writes it, and other clients.
		"resourceGroup EQ 'RG1' AND resourceType EQ 'a.b/widgets' AND name EQ 'X-rg1'": {"x-rg1"},
		"resourceType EQ 'A.B/widgets' AND tagName EQ 'other' AND tagValue EQ 'test'":  {"x-rg", "x-rg1"},
		"substringof('X-', name)": {"x-rg", "x-rg1"},
		"substringof('g1', resourceGroup) AND substringof( 'w-',name )":                      {"w-rg1"},
		"(resourceGroup eq 'rg' OR resourceGroup eq 'rg1') and (location eq 'East US')":      {"x-rg", "x-rg1"},
		"resourceType eq 'a.b/widgets' or resourceType eq 'a.b/other'":                       {"w-rg", "x-rg", "w-rg1", "x-rg1"},
		"resourceType eq 'a.b/other' or name eq 'w-rg'":                                      {"w-rg"},
		"resourceType eq 'a.b/other' and resourceType eq 'a.b/widgets'":                      nil,
		"resourceType ne 'a.b/widgets'":                                                      nil,
		"name ne 'w-rg' and location ne 'eastus'":                                            {"w-rg1"},
		"startswith(tagName, 'OTH')":                                                         {"x-rg", "x-rg1"},
		"(tagName EQ 'env' AND tagValue EQ 'Test') AND (location eq 'eastus')":               {"x-rg", "x-rg1"},
		"tagName eq 'env' and tagValue eq 'none' or name eq 'w-rg'":                          {"w-rg"},
		"tagName eq 'other' and tagValue eq 'Test'":                                          nil, // the value is of another tag
		"subscriptionId EQ '" + sub + "' AND resourceGroup EQ 'rg' and location eq 'eastus'": {"x-rg"},
		"identity/principalId eq '11111111-2222-3333-4444-555555555555'":                     nil,
		"plan/publisher eq 'none'":                                                           nil,
	} {
		got, _ := s.collect(t, "{sub}/resources"+core+"&$filter="+url.QueryEscape(filter))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", filter, diff)
		}
	}
	for _, filter := range []string{
		"name gt 'w'", "startswith(name,'w')", "plan eq 'x'", "substringof('a',location)", "substringof(name,'a')x", "substringof('a')", "substringof('a',",
		"resourceType eq 'x'", "tagName ne 'x'", "name eq 'a' xor name eq 'b'", "(name eq 'a'", "EQ", strings.Repeat("(", 40) + "name eq 'a'",
	} {
		if w := s.want(t, 400, "owner", "GET", "{sub}/resources"+core+"&$filter="+url.QueryEscape(filter), ""); !strings.Contains(w.Body.String(), "InvalidFilterInQueryString") {
			t.Errorf("%s: %s", filter, w.Body)
		}
	}
}

func TestAnyWellFormedRegionIsAccepted(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"Our Cellar 7"}`)
	if w := s.want(t, 201, "owner", "PUT", identities+"/app"+someVersion, `{"location":"our cellar 7"}`); !strings.Contains(w.Body.String(), `"location":"ourcellar7"`) {
		t.Error(w.Body)
	}
	if w := s.want(t, 400, "owner", "PUT", identities+"/app2"+someVersion, `{"location":"our/cellar"}`); !strings.Contains(w.Body.String(), "LocationNotAvailableForResourceType") {
		t.Error(w.Body)
	}
	list := s.want(t, 200, "reader", "GET", "{sub}/locations"+core, "").Body.String()
	if !strings.Contains(list, `"name":"eastus"`) || strings.Contains(list, "ourcellar7") {
		t.Errorf("the locations are %s", list)
	}
}

func TestEveryProviderIsRegistered(t *testing.T) {
	s := newStack(t)
	for _, request := range []string{
		"GET {sub}/providers/Microsoft.ManagedIdentity", "POST {sub}/providers/Microsoft.ManagedIdentity/register",
		"GET {sub}/providers/Contoso.Apps", "POST {sub}/providers/Contoso.Apps/register",
	} {
		method, path, _ := strings.Cut(request, " ")
		if w := s.want(t, 200, "owner", method, path+core, ""); !strings.Contains(w.Body.String(), `"registrationState":"Registered"`) {
			t.Errorf("%s: %s", request, w.Body)
		}
	}
	var all struct {
		Value []struct{ Namespace, RegistrationState string }
	}
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/providers"+core, ""), &all)
	for _, p := range all.Value {
		if p.RegistrationState != "Registered" {
			t.Errorf("%s is %s", p.Namespace, p.RegistrationState)
		}
	}
	if len(all.Value) == 0 {
		t.Error("there are none")
	}
}

func TestNoRateLimitHeaders(t *testing.T) {
	s := newStack(t)
	for name := range s.want(t, 200, "owner", "GET", "{sub}"+core, "").Header() {
		if strings.HasPrefix(name, "X-Ms-Ratelimit") {
			t.Errorf("there is %s", name)
		}
	}
}

func TestMachinesHaveNoActions(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
	for _, verb := range []string{"start", "powerOff", "restart", "deallocate"} {
		if w := s.do(t, "owner", "POST", vmPath+"/"+verb+compute24, ""); w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "InvalidResourceType") {
			t.Errorf("%s: %d %s", verb, w.Code, w.Body)
		}
	}
}

func TestTopIsAtLeastOne(t *testing.T) {
	s := newStack(t)
	for top, status := range map[string]int{"0": 400, "-1": 400, "x": 400, "1": 200, "1000": 200, "1001": 200} {
		w := s.want(t, status, "owner", "GET", "{sub}/resources"+core+"&$top="+top, "")
		if status == http.StatusBadRequest && !strings.Contains(w.Body.String(), "InvalidTopParameter") {
			t.Errorf("$top=%s: %s", top, w.Body)
		}
	}
}

// The limits of federated credentials are in characters, and issuers are plain https URLs.
func TestFederatedCredentialLimitsAreInCharacters(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", identities+"/app"+someVersion, `{"location":"eastus"}`)
	for name, c := range map[string]struct {
		issuer, subject string
		status          int
	}{
		"short":               {"https://i.test", "s", 201},
		"600 characters":      {"https://i.test", strings.Repeat("é", 600), 201},
		"601 characters":      {"https://i.test", strings.Repeat("é", 601), 400},
		"in clear":            {"http://i.test", "s1", 400},
		"a space in front":    {" https://i.test", "s2", 400},
		"a space at the end":  {"https://i.test ", "s3", 400},
		"capitals":            {"HTTPS://i.test", "s4", 400},
		"a subject in spaces": {"https://i.test", " s ", 201},
	} {
		body, err := json.Marshal(map[string]any{"properties": map[string]any{"issuer": c.issuer, "subject": c.subject, "audiences": []string{"a"}}})
		must(t, err)
		path := identities + "/app/federatedIdentityCredentials/" + strings.ReplaceAll(name, " ", "-") + someVersion
		if w := s.do(t, "owner", "PUT", path, string(body)); w.Code != c.status {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestForeignSkipTokenErrorCode(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg2"+core, `{"location":"eastus"}`)
	var page struct{ NextLink string }
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/resourceGroups"+core+"&$top=1", ""), &page)
	link, err := url.Parse(page.NextLink)
	must(t, err)
	stolen := url.QueryEscape(link.Query().Get("$skiptoken"))
	if w := s.want(t, 400, "owner", "GET", identities+someVersion+"&$skiptoken="+stolen, ""); stolen == "" || !strings.Contains(w.Body.String(), `"code":"InvalidSkipToken"`) {
		t.Errorf("%q: %s", stolen, w.Body)
	}
}
