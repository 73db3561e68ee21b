package management_test

import (
	"strings"
	"testing"
)

// A provider that Midas does not serve has the same answer at each address of the catalogue.
func TestUnknownProvidersHaveNoCatalogue(t *testing.T) {
	s := newStack(t)
	for path, method := range map[string]string{
		"": "GET", "/resourceTypes": "GET", "/providerPermissions": "GET", "/register": "POST", "/unregister": "POST",
	} {
		w := s.want(t, 404, "owner", method, "{sub}/providers/Contoso.Unknown"+path+core, "")
		if !strings.Contains(w.Body.String(), "InvalidResourceNamespace") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	s.want(t, 200, "owner", "GET", "{sub}/providers/contoso.apps/resourceTypes"+core, "")
}
