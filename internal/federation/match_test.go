package federation_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/federation"
	"midas/internal/token"
)

// parse signs claims with a key of its own and parses the assertion.
func parse(t *testing.T, claims map[string]any) *token.Assertion {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	a, err := token.ParseAssertion(raw)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestMatchComparesExactlyAndSaysWhatDiffers(t *testing.T) {
	const issuer, subject, audience = "https://issuer.example", "system:serviceaccount:a:b", "api://AzureADTokenExchange"
	all := []federation.Credential{
		{Name: "other", Issuer: "https://other.example/", Subject: subject, Audiences: []string{audience}},
		{Name: "first", Issuer: issuer, Subject: "x", Audiences: []string{audience}},
		{Name: "wanted", Issuer: issuer, Subject: subject, Audiences: []string{audience}},
	}
	flexible := func(text string) []federation.Credential {
		return []federation.Credential{{Name: "flexible", Issuer: issuer, Expression: text, Audiences: []string{audience}}}
	}
	for name, tt := range map[string]struct {
		all              []federation.Credential
		iss, sub         string
		aud              any
		field            federation.Field
		nearest, matched string
		onlyCase         bool
	}{
		"it matches":               {all, issuer, subject, audience, "", "", "wanted", false},
		"an array of one":          {all, issuer, subject, []string{audience}, "", "", "wanted", false},
		"no credentials":           {nil, issuer, subject, audience, federation.None, "", "", false},
		"a slash more":             {all, issuer + "/", subject, audience, federation.Issuer, "other", "", false},
		"a slash less":             {all, "https://other.example", subject, audience, federation.Issuer, "other", "", false},
		"issuer in other case":     {all, "https://ISSUER.example", subject, audience, federation.Issuer, "first", "", true},
		"another subject":          {all, issuer, "y", audience, federation.Subject, "first", "", false},
		"subject in other case":    {all, issuer, "system:serviceaccount:A:b", audience, federation.Subject, "wanted", "", true},
		"no subject":               {all, issuer, "", audience, federation.Subject, "first", "", false},
		"subject with a space":     {all, issuer, subject + " ", audience, federation.Subject, "first", "", false},
		"another audience":         {all, issuer, subject, "api://other", federation.Audience, "wanted", "", false},
		"audience in other case":   {all, issuer, subject, "api://azureadtokenexchange", federation.Audience, "wanted", "", true},
		"two audiences":            {all, issuer, subject, []string{audience, "x"}, federation.Audience, "wanted", "", false},
		"the same audience twice":  {all, issuer, subject, []string{audience, audience}, federation.Audience, "wanted", "", false},
		"no audience":              {all, issuer, subject, []string{}, federation.Audience, "wanted", "", false},
		"an empty audience":        {all, issuer, subject, "", federation.Audience, "wanted", "", false},
		"a credential of nobody":   {[]federation.Credential{{Name: "nobody", Issuer: issuer, Audiences: []string{audience}}}, issuer, "", audience, federation.Subject, "nobody", "", true},
		"composed and decomposed":  {[]federation.Credential{{Name: "é", Issuer: issuer, Subject: "\u00e9", Audiences: []string{audience}}}, issuer, "e\u0301", audience, federation.Subject, "é", "", false},
		"an expression":            {flexible("claims['sub'] matches 'system:serviceaccount:a:*'"), issuer, subject, audience, "", "", "flexible", false},
		"another expression":       {flexible("claims['sub'] matches 'system:serviceaccount:b:*'"), issuer, subject, audience, federation.Subject, "flexible", "", false},
		"a broken expression":      {flexible("claims[sub]"), issuer, subject, audience, federation.Subject, "flexible", "", false},
		"an open expression":       {flexible("claims['sub'] matches '*'"), issuer, subject, audience, federation.Subject, "flexible", "", false},
		"the Kelvin sign is not K": {[]federation.Credential{{Name: "k", Issuer: issuer, Subject: "k", Audiences: []string{audience}}}, issuer, "\u212a", audience, federation.Subject, "k", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, m := federation.Match(tt.all, parse(t, map[string]any{"iss": tt.iss, "sub": tt.sub, "aud": tt.aud}))
			if got.Name != tt.matched || (m == nil) != (tt.matched != "") {
				t.Fatalf("matched %q with %+v, want %q", got.Name, m, tt.matched)
			}
			if m == nil {
				return
			}
			nearest := ""
			if m.Nearest != nil {
				nearest = m.Nearest.Name
			}
			if m.Field != tt.field || nearest != tt.nearest || m.OnlyCase != tt.onlyCase {
				t.Errorf("differs in %q from %q, only in case: %t; want %q, %q, %t", m.Field, nearest, m.OnlyCase, tt.field, tt.nearest, tt.onlyCase)
			}
		})
	}
}
