package witness_test

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// exchanged is the number of the error of an exchange, or 0 if it gave a token.
func (w *world) exchanged(t *testing.T, client, assertion string) int {
	t.Helper()
	a := w.form(t, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	})
	if a.status == 200 {
		return 0
	}
	_, rest, _ := strings.Cut(a.text("error_description"), "AADSTS")
	number, _, _ := strings.Cut(rest, ":")
	n, err := strconv.Atoi(number)
	check(t, err)
	return n
}

// TestChangesOfCredentialsAreEffectiveAtOnce although every exchange before has brought them into memory.
func TestChangesOfCredentialsAreEffectiveAtOnce(t *testing.T) {
	o := newOutsider(t)
	w := startTrusting(t, o)
	w.group(t, "rg")
	const subject = "system:serviceaccount:apps:web"
	assertion := o.token(t, subject)
	identity := w.identity(t, "rg", "app")
	credentials := w.msi(t).NewFederatedIdentityCredentialsClient()
	app := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"trusting"}`)
	w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+app.text("appId")+`"}`)
	of := "/applications/" + app.text("id") + "/federatedIdentityCredentials"
	body := `{"name":"fic","issuer":"` + o.URL + `","audiences":["` + tokenExchange + `"],`
	for _, step := range []struct {
		name   string
		change func(context.Context)
		want   int
	}{
		{"none", func(context.Context) {}, 70025},
		{"created", func(context.Context) {
			w.trust(t, "app", o.URL, subject)
			w.graph(t, "POST", "/v1.0"+of, body+`"subject":"`+subject+`"}`)
		}, 0},
		{"another subject", func(context.Context) {
			w.trust(t, "app", o.URL, subject+"x")
			w.graph(t, "PATCH", "/v1.0"+of+"/fic", `{"subject":"`+subject+`x"}`)
		}, 700213},
		{"another issuer", func(context.Context) {
			w.trust(t, "app", o.URL+"/", subject)
			w.graph(t, "PATCH", "/v1.0"+of+"/fic", `{"issuer":"`+o.URL+`/","subject":"`+subject+`"}`)
		}, 700211},
		{"as before", func(context.Context) {
			w.trust(t, "app", o.URL, subject)
			w.graph(t, "PATCH", "/v1.0"+of+"/fic", `{"issuer":"`+o.URL+`"}`)
		}, 0},
		{"deleted", func(ctx context.Context) {
			_, err := credentials.Delete(ctx, "rg", "app", "fic", nil)
			check(t, err)
			w.graph(t, "DELETE", "/v1.0"+of+"/fic", "")
		}, 70025},
		{"a flexible one", func(context.Context) {
			w.did(t, "PUT", *identity.ID+"/federatedIdentityCredentials/fic?api-version=2025-01-31-preview", `{"properties":{"issuer":"`+o.URL+`","audiences":["`+tokenExchange+`"],
				"claimsMatchingExpression":{"languageVersion":1,"value":"claims['sub'] matches 'system:serviceaccount:apps:*'"}}}`)
			w.graph(t, "POST", "/beta"+of, body+`"claimsMatchingExpression":{"languageVersion":1,"value":"claims['sub'] matches 'system:serviceaccount:apps:*'"}}`)
		}, 0},
		{"another expression", func(context.Context) {
			w.did(t, "PUT", *identity.ID+"/federatedIdentityCredentials/fic?api-version=2025-01-31-preview", `{"properties":{"issuer":"`+o.URL+`","audiences":["`+tokenExchange+`"],
				"claimsMatchingExpression":{"languageVersion":1,"value":"claims['sub'] matches 'system:serviceaccount:apps:?'"}}}`)
			w.graph(t, "PATCH", "/beta"+of+"/fic", `{"claimsMatchingExpression":{"languageVersion":1,"value":"claims['sub'] matches 'system:serviceaccount:apps:?'"}}`)
		}, 700213},
	} {
		step.change(t.Context())
		for name, client := range map[string]string{"identity": *identity.Properties.ClientID, "application": app.text("appId")} {
			for range 2 {
				if got := w.exchanged(t, client, assertion); got != step.want {
					t.Errorf("%s, %s: AADSTS%d, want %d", step.name, name, got, step.want)
				}
			}
		}
	}
}

// TestIdentityOfTheSameNameHasNoCredentials of the one that was deleted, and the client id of that one is unknown.
func TestIdentityOfTheSameNameHasNoCredentials(t *testing.T) {
	o := newOutsider(t)
	w := startTrusting(t, o)
	w.group(t, "rg")
	first := w.identity(t, "rg", "app")
	w.trust(t, "app", o.URL, "web")
	assertion := o.token(t, "web")
	if got := w.exchanged(t, *first.Properties.ClientID, assertion); got != 0 {
		t.Errorf("AADSTS%d", got)
	}
	w.did(t, "DELETE", *first.ID+"?api-version=2023-01-31", "")
	second := w.identity(t, "rg", "app")
	for client, want := range map[string]int{*first.Properties.ClientID: 700016, *second.Properties.ClientID: 70025} {
		if got := w.exchanged(t, client, assertion); got != want {
			t.Errorf("AADSTS%d, want %d", got, want)
		}
	}
	w.trust(t, "app", o.URL, "web")
	for client, want := range map[string]int{*first.Properties.ClientID: 700016, *second.Properties.ClientID: 0} {
		if got := w.exchanged(t, client, assertion); got != want {
			t.Errorf("with a credential of the new identity: AADSTS%d, want %d", got, want)
		}
	}
}
