package midas_test

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// spellings yields a path with an empty segment at each place, and with one at all of them.
func spellings(path string) []string {
	all := []string{strings.ReplaceAll(path, "/", "//")}
	for i := range len(path) {
		if path[i] == '/' {
			all = append(all, path[:i]+"/"+path[i:])
		}
	}
	return append(all, path+"//")
}

// Azure's SDKs for JavaScript, .NET and PowerShell send empty segments where a part of a path is empty or
// begins with a slash.
func TestEmptySegmentsOfARMPathsAreSkipped(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	w, sub := wireOf(t, cfg), "/subscriptions/"+s.Admin().SubscriptionID
	group := sub + "/resourceGroups/rg"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	w.want(t, 201, "PUT", "/"+sub+"/resourceGroups//rg?api-version=2021-04-01", `{"location":"eastus"}`)
	made, body := w.want(t, 201, "PUT", strings.ReplaceAll(identity, "/", "//")+"?api-version=2023-01-31", `{"location":"eastus"}`)
	id := strings.Replace(identity, "resourceGroups", "resourcegroups", 1)
	if body["id"] != id || made.Header.Get("Location") != id {
		t.Errorf("id %v, location %s", body["id"], made.Header.Get("Location"))
	}
	assignment := identity + "/providers/Microsoft.Authorization/roleAssignments/11111111-2222-4333-8444-555555555555"
	principal := body["properties"].(map[string]any)["principalId"].(string)
	_, body = w.want(t, 201, "PUT", "/"+assignment+"?api-version=2022-04-01",
		`{"properties":{"roleDefinitionId":"`+sub+`/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"`+principal+`"}}`)
	if scope := body["properties"].(map[string]any)["scope"]; body["id"] != assignment || scope != identity {
		t.Errorf("assignment %v at %v", body["id"], scope)
	}
	for _, c := range []struct{ path, version string }{
		{group, "2021-04-01"}, {identity, "2023-01-31"}, {assignment, "2022-04-01"},
		{group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities", "2023-01-31"},
		{"/subscriptions", "2022-12-01"}, {"/providers/Microsoft.ManagedIdentity/operations", "2023-01-31"}, {"/metadata/endpoints", "2022-09-01"},
	} {
		_, want := w.do(t, "GET", c.path+"?api-version="+c.version, "")
		for _, spelled := range spellings(c.path) {
			if resp, got := w.do(t, "GET", spelled+"?api-version="+c.version, ""); got != want || resp.StatusCode != 200 {
				t.Errorf("%s: %s %s, want %s", spelled, resp.Status, got, want)
			}
		}
		refused := strings.Replace(c.path, "/", "///", 1)
		if resp, got := w.do(t, "GET", refused+"?api-version="+c.version, ""); resp.StatusCode != 400 || !strings.Contains(got, "InvalidRequestUri") {
			t.Errorf("%s: %s %s", refused, resp.Status, got)
		}
	}
}

// The URLs and ids that Midas writes down for a request with empty segments have none.
func TestEmptySegmentsAreNotRepeated(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	w, sub := wireOf(t, cfg), "/subscriptions/"+s.Admin().SubscriptionID
	for _, name := range []string{"a", "b"} {
		w.want(t, 201, "PUT", sub+"//resourceGroups/"+name+"?api-version=2021-04-01", `{"location":"eastus"}`)
	}
	_, page := w.want(t, 200, "GET", "/"+sub+"//resourceGroups//?api-version=2021-04-01&$top=1", "")
	next, _ := page["nextLink"].(string)
	if !strings.HasPrefix(next, w.Endpoint+sub+"/resourceGroups") {
		t.Fatalf("nextLink %q", next)
	}
	_, page = w.want(t, 200, "GET", strings.Replace(strings.TrimPrefix(next, w.Endpoint), "/resourceGroups", "//resourceGroups", 1), "")
	if len(page["value"].([]any)) != 1 {
		t.Errorf("the second page has %v", page["value"])
	}
	deleted, _ := w.want(t, 202, "DELETE", sub+"/resourceGroups//b?api-version=2021-04-01", "")
	if at := deleted.Header.Get("Location"); strings.Contains(strings.TrimPrefix(at, "https://"), "//") {
		t.Errorf("location %s", at)
	}
	since := url.QueryEscape("eventTimestamp ge '" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + "'")
	resp, log := w.do(t, "GET", sub+"/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+since, "")
	if resp.StatusCode != 200 || strings.Contains(log, "//resourceGroups") || strings.Contains(log, "resourceGroups//") || !strings.Contains(log, "resourceGroups/b") {
		t.Errorf("activity log: %s %s", resp.Status, log)
	}
}

// Authorization sees the id without the empty segments: the role at one group gives no right at another.
func TestEmptySegmentsGiveNoRights(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	w, sub := wireOf(t, cfg), "/subscriptions/"+s.Admin().SubscriptionID
	for _, name := range []string{"mine", "theirs"} {
		w.want(t, 201, "PUT", sub+"/resourceGroups/"+name+"?api-version=2021-04-01", `{"location":"eastus"}`)
	}
	admin := w.bearer
	w.bearer = w.token(t, "https://graph.microsoft.com")
	_, app := w.want(t, 201, "POST", "//v1.0/applications", `{"displayName":"limited"}`)
	_, principal := w.want(t, 201, "POST", "/v1.0//servicePrincipals", `{"appId":"`+app["appId"].(string)+`"}`)
	_, secret := w.want(t, 200, "POST", "/v1.0/applications//"+app["id"].(string)+"/addPassword", `{}`)
	w.bearer = admin
	w.want(t, 201, "PUT", sub+"/resourceGroups/mine/providers/Microsoft.Authorization/roleAssignments/11111111-2222-4333-8444-555555555555?api-version=2022-04-01",
		`{"properties":{"roleDefinitionId":"`+sub+`/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635","principalId":"`+principal["id"].(string)+`"}}`)
	_, token := w.want(t, 200, "POST", "//"+s.Admin().TenantID+"//oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app["appId"].(string)}, "client_secret": {secret["secretText"].(string)},
		"scope": {"https://management.azure.com/.default"},
	}.Encode())
	w.bearer = token["access_token"].(string)
	w.want(t, 200, "GET", "/"+sub+"/resourceGroups/mine?api-version=2021-04-01", "")
	theirs := sub + "/resourceGroups/theirs"
	for _, spelled := range append(spellings(theirs), spellings(theirs+"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app")...) {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			resp, body := w.do(t, method, spelled+"?api-version=2023-01-31", `{"location":"eastus"}`)
			if strings.HasPrefix(resp.Status, "400") && strings.Contains(body, "InvalidApiVersionParameter") {
				resp, body = w.do(t, method, spelled+"?api-version=2021-04-01", `{"location":"eastus"}`)
			}
			if resp.StatusCode != 403 || !strings.Contains(body, "over scope '"+theirs) {
				t.Errorf("%s %s: %s %s", method, spelled, resp.Status, body)
			}
		}
	}
}

func TestEmptySegmentsOfSignInAndGraphPathsAreSkipped(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	w, tenant := wireOf(t, cfg), s.Admin().TenantID
	graph := w.token(t, "https://graph.microsoft.com")
	token := "grant_type=client_credentials&client_id=" + s.Admin().ClientID + "&client_secret=wrong&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
	for _, c := range []struct {
		method, path, body, bearer string
		status                     int
		want                       string
	}{
		{"GET", "/common/discovery/instance?api-version=1.1&authorization_endpoint=" + url.QueryEscape(w.Endpoint+"/common/oauth2/v2.0/authorize"), "", "", 200, "tenant_discovery_endpoint"},
		{"GET", "/" + tenant + "/v2.0/.well-known/openid-configuration", "", "", 200, "token_endpoint"},
		{"GET", "/adfs/.well-known/openid-configuration", "", "", 200, "token_endpoint"},
		{"GET", "/" + tenant + "/discovery/v2.0/keys", "", "", 200, `"keys"`},
		{"GET", "/" + tenant + "/oauth2/v2.0/authorize?client_id=x", "", "", 400, "AADSTS"},
		{"POST", "/" + tenant + "/oauth2/v2.0/token", token, "", 401, "AADSTS7000215"},
		{"POST", "/" + tenant + "/oauth2/token", token + "&resource=https%3A%2F%2Fmanagement.azure.com%2F", "", 401, "AADSTS7000215"},
		{"POST", "/adfs/oauth2/token", token, "", 401, "AADSTS7000215"},
		{"GET", "/v1.0/organization", "", graph, 200, tenant},
		{"GET", "/v1.0/organization", "", "", 401, "InvalidAuthenticationToken"},
	} {
		path, query, _ := strings.Cut(c.path, "?")
		w.bearer = c.bearer
		for _, spelled := range spellings(path)[:strings.Count(path, "/")+1] { // a slash at the end is another path
			if resp, body := w.do(t, c.method, spelled+"?"+query, c.body); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("%s %s: %s %s, want %d %s", c.method, spelled, resp.Status, body, c.status, c.want)
			}
		}
		refused := strings.Replace(path, "/", "///", 2)
		resp, body := w.do(t, c.method, refused+"?"+query, c.body)
		want, status := "AADSTS9002313", 400
		if strings.HasPrefix(path, "/v1.0") {
			want = `"innerError"`
			if c.bearer == "" {
				status = 401
			}
		}
		if resp.StatusCode != status || !strings.Contains(body, want) {
			t.Errorf("%s %s: %s %s", c.method, refused, resp.Status, body)
		}
	}
}

// A page under a path such as //evil.example/oauth2/… must not name that path: a browser would send its forms to the
// host evil.example.
func TestEmptySegmentsNameNoOtherHost(t *testing.T) {
	cfg := quiet(t)
	start(t, cfg)
	w := wireOf(t, cfg)
	w.bearer = ""
	for _, path := range []string{"//evil.example/oauth2/v2.0/authorize", "//evil.example/oauth2/deviceauth", "//evil.example/oauth2/v2.0/logout", "//evil.example/subscriptions", "//evil.example/..", `/\evil.example/oauth2/deviceauth`} {
		resp, body := w.do(t, "GET", path, "")
		if strings.Contains(body, "//evil.example") || strings.Contains(resp.Header.Get("Location"), "//evil.example") || resp.StatusCode/100 == 3 {
			t.Errorf("%s: %s %v %s", path, resp.Status, resp.Header, body)
		}
	}
}

func TestEmptySegmentsUnderAzureHostNames(t *testing.T) {
	cfg := quiet(t)
	s := start(t, cfg)
	ca := cfg.Data + "/azure-ca/ca.pem"
	for _, c := range []struct {
		host, path string
		status     int
		want       string
	}{
		{"management.azure.com", "//subscriptions?api-version=2022-12-01", 401, "AuthenticationFailed"},
		{"management.azure.com", "//metadata//endpoints?api-version=2022-09-01", 200, "AzureCloud"},
		{"management.azure.com", "///subscriptions?api-version=2022-12-01", 400, "InvalidRequestUri"},
		{"login.microsoftonline.com", "//" + s.Admin().TenantID + "//v2.0/.well-known//openid-configuration", 200, "token_endpoint"},
		{"login.microsoftonline.com", "///" + s.Admin().TenantID + "/v2.0/.well-known/openid-configuration", 400, "AADSTS9002313"},
		{"graph.microsoft.com", "//v1.0//me", 401, "InvalidAuthenticationToken"},
		{"graph.microsoft.com", "//oidc//userinfo", 401, ""},
	} {
		if status, body := as(t, s, c.host, c.path, ca); status != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s%s: %d %s", c.host, c.path, status, body)
		}
	}
}
