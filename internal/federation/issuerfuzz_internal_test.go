package federation

import (
	"crypto/rsa"
	"strings"
	"testing"
)

func FuzzParseKeys(f *testing.F) {
	n := strings.Repeat("_", 342) + "w"
	for _, seed := range []string{
		"", "{}", "[]", "null", `{"keys":[]}`, `{"keys":{}}`, `{"keys":[1,null,{}]}`, `{"a":{"keys":[]},"keys":[{"kty":"RSA"}]}`,
		`{"keys":[{"kty":"RSA","use":"sig","kid":"a","alg":"RS256","n":"` + n + `","e":"AQAB"}]}`,
		`{"keys":[{"kty":"RSA","use":"sig","kid":7,"key_ops":["verify"],"n":"` + n + `","e":"____"}]}`,
		`{"keys":[{"kty":"RSA","use":"sig","d":"AA","n":"` + n + `","e":"AQAB"}]}`, `{"keys":[` + strings.Repeat(`{},`, 120) + `{}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := parseKeys(data)
		if err != nil {
			return
		}
		if len(set.keys) > maxKeys || len(set.skipped) > maxSkipped {
			t.Fatalf("%d keys, %d skipped", len(set.keys), len(set.skipped))
		}
		for _, k := range set.keys {
			checkKey(t, k.rsa)
			if len(set.find(k.kid)) == 0 && k.kid != "" || len(k.kid) > maxKid {
				t.Fatalf("kid %q", k.kid)
			}
		}
	})
}

func checkKey(t *testing.T, key *rsa.PublicKey) {
	t.Helper()
	if bits := key.N.BitLen(); bits < shortestKey || bits > longestKey || key.E < smallestExponent || key.E%2 == 0 {
		t.Fatalf("a key of %d bits with the exponent %d", bits, key.E)
	}
	_ = rsa.VerifyPKCS1v15(key, 0, nil, make([]byte, key.Size())) // does not panic
}

func FuzzParseDiscovery(f *testing.F) {
	const issuer = "https://issuer.example"
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"issuer":"https://issuer.example"}`,
		`{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/keys","subject_types_supported":[],"authorization_endpoint":""}`,
		`{"issuer":"https://issuer.example/","jwks_uri":"https://issuer.example/keys","subject_types_supported":["public"],"response_types_supported":["id_token"]}`,
		`{"issuer":"x","issuer":"https://issuer.example","jwks_uri":7,"subject_types_supported":["public"],"response_types_supported":["id_token"]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := parseDiscovery(data, issuer); err == nil && !strings.Contains(string(data), "jwks_uri") && !strings.Contains(string(data), `\u`) {
			t.Fatalf("%q was accepted", data)
		}
	})
}

func FuzzCheckIssuer(f *testing.F) {
	for _, seed := range []string{"https://a", "https://a/", "http://a", "https://a?b", "https://a#", "https://u@a", "", "https:a", "https://[::1]:8/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, issuer string) {
		if checkIssuer(issuer) == nil && (!strings.HasPrefix(strings.ToLower(issuer), "https://") || strings.ContainsAny(issuer, "?#")) {
			t.Fatalf("%q was accepted", issuer)
		}
	})
}
