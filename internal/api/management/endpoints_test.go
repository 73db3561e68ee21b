package management_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Azure CLI, Azure PowerShell and Terraform read these members, in the shapes that each version has in Azure.
func TestEndpointsByAPIVersion(t *testing.T) {
	s := newStack(t)
	own := origin + "/"
	audiences := []any{"https://management.core.windows.net/", "https://management.azure.com/"}
	signIn := func(login string) map[string]any {
		return map[string]any{"loginEndpoint": login, "audiences": audiences, "tenant": "common", "identityProvider": "AAD"}
	}
	cloud := func(login string) map[string]any {
		return map[string]any{
			"name": "Midas", "resourceManager": own, "portal": own, "gallery": own, "graph": own, "graphAudience": own,
			"microsoftGraphResourceId": own, "authentication": signIn(login),
			"suffixes": map[string]any{
				"storage": "core.windows.net", "keyVaultDns": "vault.azure.net", "sqlServerHostname": "database.windows.net", "acrLoginServer": "azurecr.io",
			},
		}
	}
	old := map[string]any{
		"galleryEndpoint": own, "graphEndpoint": own, "portalEndpoint": own,
		"authentication": map[string]any{"loginEndpoint": own, "audiences": audiences},
	}
	regions := map[string]any{
		"galleryEndpoint": own, "graphEndpoint": own, "portalEndpoint": own, "graphAudience": own, "authentication": signIn(own),
		"cloudEndpoint": map[string]any{"public": map[string]any{"endpoint": strings.TrimPrefix(origin, "https://")}},
	}
	for version, want := range map[string]any{
		"": old, "1.0": old, "2015-01-01": old, "2017-12-01": regions, "2018-01-01": regions, "2018-07-01": regions,
		"2019-05-01": []any{cloud(own)}, "2020-06-01": []any{cloud(own)}, "2022-09-01": cloud(origin), "2023-11-01": cloud(origin),
	} {
		for _, path := range []string{"/metadata/endpoints", "/metadata/endpoints/", "//metadata/endpoints", "/Metadata/Endpoints"} {
			w := s.do(t, "", "GET", "https://midas.test"+path+"?api-version="+version, "")
			var got any
			must(t, json.Unmarshal(w.Body.Bytes(), &got))
			if diff := cmp.Diff(want, got); diff != "" || w.Code != http.StatusOK {
				t.Errorf("%s %s: %d (-want +got)\n%s", path, version, w.Code, diff)
			}
		}
	}
	if w := s.do(t, "", "POST", "/metadata/endpoints", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
}

// Under Azure's host names, the endpoints are Azure's.
func TestEndpointsUnderAzureHostNames(t *testing.T) {
	s := newStack(t)
	for version, login := range map[string]string{"2019-05-01": "https://login.microsoftonline.com/", "2022-09-01": "https://login.microsoftonline.com"} {
		body := s.do(t, "", "GET", "https://management.azure.com/metadata/endpoints?api-version="+version, "").Body.Bytes()
		var cloud struct {
			Name, ResourceManager, MicrosoftGraphResourceID string
			Authentication                                  struct{ LoginEndpoint string }
		}
		must(t, json.Unmarshal(bytes.Trim(body, "[]\n"), &cloud))
		if cloud.Name != "AzureCloud" || cloud.ResourceManager != "https://management.azure.com/" ||
			cloud.MicrosoftGraphResourceID != "https://graph.microsoft.com/" || cloud.Authentication.LoginEndpoint != login {
			t.Errorf("%s: %+v", version, cloud)
		}
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
