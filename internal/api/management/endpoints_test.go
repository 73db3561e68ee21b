package management_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What Azure CLI, Azure PowerShell and Terraform read, in the shapes that each version has.
func TestEndpointsByAPIVersion(t *testing.T) {
	s := newStack(t)
	own := func(key string) string { return origin + "/" + key }
	for _, c := range []struct {
		host, version string
		path          func(any) any // to the cloud's object
		want          map[string]any
	}{
		{"midas.test", "2015-01-01", func(v any) any { return v }, map[string]any{
			"galleryEndpoint": own(""), "graphEndpoint": own(""), "portalEndpoint": own(""),
		}},
		{"midas.test", "2019-05-01", func(v any) any { return v.([]any)[0] }, map[string]any{
			"name": "Midas", "resourceManager": own(""), "microsoftGraphResourceId": own(""),
		}},
		{"midas.test", "2022-09-01", func(v any) any { return v }, map[string]any{
			"name": "Midas", "resourceManager": own(""), "microsoftGraphResourceId": own(""), "graphAudience": own(""),
		}},
		{"management.azure.com", "2022-09-01", func(v any) any { return v }, map[string]any{
			"name": "AzureCloud", "resourceManager": "https://management.azure.com/", "microsoftGraphResourceId": "https://graph.microsoft.com/",
		}},
	} {
		w := s.do(t, "", "GET", "https://"+c.host+"/metadata/endpoints?api-version="+c.version, "")
		var body any
		must(t, json.Unmarshal(w.Body.Bytes(), &body))
		got := c.path(body).(map[string]any)
		for key, want := range c.want {
			if diff := cmp.Diff(want, got[key]); diff != "" || w.Code != http.StatusOK {
				t.Errorf("%s %s: %d %s: %s", c.host, c.version, w.Code, key, diff)
			}
		}
		signIn := got["authentication"].(map[string]any)
		login := own("")
		if c.host != "midas.test" {
			login = "https://login.microsoftonline.com/"
		}
		if signIn["loginEndpoint"] != login || len(signIn["audiences"].([]any)) < 2 {
			t.Errorf("%s %s: authentication %v", c.host, c.version, signIn)
		}
		if c.version > "2015-01-01" && (signIn["tenant"] != "common" || signIn["identityProvider"] != "AAD") {
			t.Errorf("%s %s: authentication %v", c.host, c.version, signIn)
		}
	}
	if w := s.do(t, "", "POST", "/metadata/endpoints", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
}

// A client that uses Azure's host names must get URLs with Azure's host names.
func TestURLsInAnswersUseTheClientsHostName(t *testing.T) {
	for host, want := range map[string][2]string{
		"midas.test":           {origin + "/" + tenant, origin},
		"management.azure.com": {"https://login.windows.net/" + tenant, "https://management.azure.com"},
	} {
		s := newStack(t)
		w := s.do(t, "", "GET", "https://"+host+"{sub}?api-version=2021-04-01", "")
		if got := w.Header().Get("Www-Authenticate"); !strings.Contains(got, `authorization_uri="`+want[0]+`"`) {
			t.Errorf("%s: challenge %s", host, got)
		}
		at := "https://" + host + "{sub}/resourceGroups"
		for _, group := range []string{"/one", "/two"} {
			s.want(t, http.StatusCreated, "owner", "PUT", at+group+"?api-version=2021-04-01", `{"location":"eastus"}`)
		}
		var page struct{ NextLink string }
		must(t, json.Unmarshal(s.do(t, "owner", "GET", at+"?api-version=2021-04-01&$top=1", "").Body.Bytes(), &page))
		if !strings.HasPrefix(page.NextLink, want[1]+"/subscriptions/") {
			t.Errorf("%s: nextLink %s", host, page.NextLink)
		}
		deleted := s.want(t, http.StatusAccepted, "owner", "DELETE", at+"/two?api-version=2021-04-01", "")
		if got := deleted.Header().Get("Location"); !strings.HasPrefix(got, want[1]+"/subscriptions/") {
			t.Errorf("%s: location %s", host, got)
		}
	}
}
