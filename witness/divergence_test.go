package witness_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// Federated credentials are stored, because clients create them, but tokens of their issuers are not
// accepted yet.
func TestForeignTokensAreNotExchangedYet(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	_, err := w.msi(t).NewFederatedIdentityCredentialsClient().CreateOrUpdate(t.Context(), "rg", "app", "fic", armmsi.FederatedIdentityCredential{
		Properties: &armmsi.FederatedIdentityCredentialProperties{
			Issuer: new(w.Endpoint + "/" + w.TenantID + "/v2.0"), Subject: new(w.ClientID), Audiences: []*string{new("api://AzureADTokenExchange")},
		},
	}, nil)
	check(t, err)
	resp, err := w.guard.PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {*app.Properties.ClientID}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {w.Token(t, "api://AzureADTokenExchange")},
	})
	check(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("the answer is %s", resp.Status)
	}
}

// Bytes that are not HTTP never reach Midas: Go's server answers them in plain text.
func TestInvalidHTTPIsAnsweredInPlainText(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	host := "Host: " + x.guard.server + "\r\n"
	for name, c := range map[string]struct {
		bytes  string
		status int
	}{
		"two Hosts":                   {"GET /subscriptions HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"no Host":                     {"GET /subscriptions HTTP/1.1\r\n\r\n", 400},
		"two lengths":                 {x.put("Content-Length: 21\r\nContent-Length: 22\r\n\r\n" + location), 400},
		"a bad escape":                {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
		"a header of 80 KiB":          {"GET /subscriptions HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431},
		"an unknown coding":           {x.put("Transfer-Encoding: gzip\r\n\r\n" + location), 501},
		"another version":             {"GET /subscriptions HTTP/3.0\r\n" + host + "\r\n", 505},
		"no method, no target at all": {"\x16\x03\x01\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, err := x.speak(t, c.bytes)
			if err != nil || status != c.status || armCode(body) != "" {
				t.Errorf("%d %q %v, want %d in plain text", status, body, err, c.status)
			}
		})
	}
	x.unharmed(t, before)
}
