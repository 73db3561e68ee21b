package witness_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

// foreignToken is a token that nobody has signed. Midas reads its claims only to say what does not match.
func foreignToken(t *testing.T, issuer, subject, audience string) string {
	t.Helper()
	return encoded(t, map[string]any{"alg": "RS256", "kid": "k"}) + "." +
		encoded(t, map[string]any{"iss": issuer, "sub": subject, "aud": audience, "exp": 4102444800}) + "." +
		base64.RawURLEncoding.EncodeToString([]byte("signature"))
}

// TestRefusedCredentialsOfIdentitiesSayWhy checks that clients that exist are not called unknown.
func TestRefusedCredentialsOfIdentitiesSayWhy(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	bare, app := w.identity(t, "rg", "bare"), w.identity(t, "rg", "app")
	const issuer, subject, audience = "https://issuer.example/", "repo:a/b", "api://AzureADTokenExchange"
	_, err := w.msi(t).NewFederatedIdentityCredentialsClient().CreateOrUpdate(t.Context(), "rg", "app", "fic", armmsi.FederatedIdentityCredential{
		Properties: &armmsi.FederatedIdentityCredentialProperties{Issuer: new(issuer), Subject: new(subject), Audiences: []*string{new(audience)}},
	}, nil)
	check(t, err)
	registered := w.application(t, "registered")
	trusting := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"trusting"}`)
	w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+trusting.text("appId")+`"}`)
	w.graph(t, "POST", "/v1.0/applications/"+trusting.text("id")+"/federatedIdentityCredentials",
		`{"name":"fic","issuer":"`+issuer+`","subject":"`+subject+`","audiences":["`+audience+`"]}`)
	lonely := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"lonely"}`).text("appId")

	assertion := func(token string) url.Values {
		return url.Values{"client_assertion": {token}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	}
	secret := url.Values{"client_secret": {"x"}}
	for name, test := range map[string]struct {
		client string
		form   url.Values
		want   string
	}{
		"no credential":         {*bare.Properties.ClientID, assertion(foreignToken(t, issuer, subject, audience)), "AADSTS70025: The client 'bare' has no configured federated identity credentials."},
		"another issuer":        {*app.Properties.ClientID, assertion(foreignToken(t, "https://other.example/", subject, audience)), "AADSTS700211: "},
		"another subject":       {*app.Properties.ClientID, assertion(foreignToken(t, issuer, "repo:a/c", audience)), "AADSTS700213: "},
		"a subject in capitals": {*app.Properties.ClientID, assertion(foreignToken(t, issuer, "REPO:A/B", audience)), "AADSTS7002138: "},
		"another audience":      {*app.Properties.ClientID, assertion(foreignToken(t, issuer, subject, "x")), "AADSTS700212: "},
		"not an assertion":      {*app.Properties.ClientID, assertion("x"), "AADSTS50027: "},
		"a secret":              {*app.Properties.ClientID, secret, "AADSTS7000215: "},
		"nothing":               {*app.Properties.ClientID, nil, "AADSTS7000218: "},
		"of an application":     {registered.client, assertion(foreignToken(t, issuer, subject, audience)), "AADSTS70025: The client 'registered' has"},
		"an application without a service principal": {lonely, secret, "AADSTS7000229: "},
		"an application with another subject":        {trusting.text("appId"), assertion(foreignToken(t, issuer, "x", audience)), "AADSTS700213: "},
		"nobody":                                     {"99999999-9999-4999-8999-999999999999", assertion(foreignToken(t, issuer, subject, audience)), "AADSTS700016: "},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {test.client}, "scope": {"https://management.azure.com/.default"}}
			for k, v := range test.form {
				form[k] = v
			}
			resp, err := w.guard.PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", form)
			check(t, err)
			defer resp.Body.Close()
			var got struct {
				Description string `json:"error_description"`
			}
			check(t, json.NewDecoder(resp.Body).Decode(&got))
			if resp.StatusCode != 401 && resp.StatusCode != 400 || !strings.HasPrefix(got.Description, test.want) {
				t.Errorf("%d %s, want %s", resp.StatusCode, got.Description, test.want)
			}
		})
	}
}
