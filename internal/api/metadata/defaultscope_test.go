package metadata_test

import (
	"net/url"
	"strings"
	"testing"

	"midas/internal/api/metadata"
)

// TestScopesAreNotAudiences sends a scope to the metadata service, as clients that mix up the two libraries do.
func TestScopesAreNotAudiences(t *testing.T) {
	for _, scope := range []string{"https://vault.azure.net/.default", "https://vault.azure.net//.DEFAULT", "https://vault.azure.net/.default/", "https://vault.azure.net/.default//"} {
		s := &source{}
		w := call("GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource="+url.QueryEscape(scope)+flag).do(t, serve(t, metadata.NewIMDS(config(s))))
		got := decoded(t, w.Body)
		reason, _ := got["error_description"].(string)
		if w.Code != 400 || got["error"] != "invalid_resource" || !strings.HasPrefix(reason, "AADSTS500011: The resource principal named "+scope) {
			t.Errorf("%s: %d %v", scope, w.Code, got)
		}
		if s.audience != "" {
			t.Errorf("the server was asked for %q", s.audience)
		}
	}
}
