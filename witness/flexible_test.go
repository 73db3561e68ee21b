package witness_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// TestFlexibleCredentialIsExchanged exchanges tokens of several subjects for one flexible credential.
func TestFlexibleCredentialIsExchanged(t *testing.T) {
	o := newOutsider(t)
	w := startTrusting(t, o)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	body := `{"properties":{"issuer":"` + o.URL + `","audiences":["` + tokenExchange + `"],"claimsMatchingExpression":{"value":"claims['sub'] matches 'system:serviceaccount:shop:*'","languageVersion":1}}}`
	r, err := http.NewRequestWithContext(t.Context(), "PUT", w.Endpoint+*identity.ID+"/federatedIdentityCredentials/shop?api-version=2025-05-31-preview", strings.NewReader(body))
	check(t, err)
	r.Header.Set("Authorization", "Bearer "+w.Token(t, "https://management.azure.com/"))
	r.Header.Set("Content-Type", "application/json")
	resp, err := w.Client().Do(r)
	check(t, err)
	resp.Body.Close()
	wantStatus(t, resp, http.StatusCreated)
	for subject, text := range map[string]string{
		"system:serviceaccount:shop:web":  "",
		"system:serviceaccount:shop:jobs": "",
		"system:serviceaccount:shopx:web": "AADSTS700213",
		"system:serviceaccount:SHOP:web":  "AADSTS700213",
	} {
		credential := w.asserting(t, *identity.Properties.ClientID, func(context.Context) (string, error) { return o.token(t, subject), nil })
		got, err := credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
		switch {
		case text == "" && (err != nil || claimsIn(t, got.Token)["oid"] != *identity.Properties.PrincipalID):
			t.Errorf("%s: %v", subject, err)
		case text != "" && (err == nil || !strings.Contains(err.Error(), text)):
			t.Errorf("%s: %v, want %s", subject, err, text)
		}
	}
}
