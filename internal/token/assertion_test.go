package token_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"midas/internal/token"
)

// assert signs an assertion.
func assert(t testing.TB, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, &jose.SignerOptions{ExtraHeaders: header})
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
	return raw
}

func TestAssertionsAreReadAndVerified(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sum := make([]byte, 20)
	sum[0] = 0xfb // a "-" in base64url
	raw := assert(t, jose.PS256, key, map[jose.HeaderKey]any{"x5t": base64.URLEncoding.EncodeToString(sum), "kid": strings.ToUpper(hex.EncodeToString(sum))},
		map[string]any{"iss": "i", "sub": "s", "aud": []string{"a", "b"}, "jti": "j", "nbf": 1, "exp": 2.5})
	a, err := token.ParseAssertion(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{a.Issuer, a.Subject, a.Audience, a.ID, a.NotBefore, a.Expires, a.Thumbprints}
	want := []any{"i", "s", []string{"a", "b"}, "j", time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC(), [][]byte{sum, sum}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("assertion (-want +got):\n%s", diff)
	}
	if err := a.Verify(&key.PublicKey); err != nil {
		t.Error(err)
	}
	if err := a.Verify(&stranger.PublicKey); !errors.Is(err, token.ErrSignature) {
		t.Errorf("a stranger's key: %v, want ErrSignature", err)
	}
	for name, raw := range map[string]string{
		"empty": "", "two parts": "a.b", "another algorithm": assert(t, jose.RS512, key, nil, nil), "a list": assert(t, jose.RS256, key, nil, map[string]any{"aud": 1}),
		"a negative time": assert(t, jose.RS256, key, nil, map[string]any{"exp": -1}), "with a line break": raw[:9] + "\n" + raw[9:],
	} {
		if _, err := token.ParseAssertion(raw); !errors.Is(err, token.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

// FuzzAssertion looks for an assertion that a key verifies although it has not signed it. $header, $claims
// and $signature in an input are replaced by the parts of a valid assertion.
func FuzzAssertion(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	good := assert(f, jose.RS256, key, map[jose.HeaderKey]any{"x5t": "AAAAAAAAAAAAAAAAAAAAAAAAAAA"}, map[string]any{"iss": "i", "aud": "a", "exp": 1})
	parts := strings.Split(good, ".")
	fill := strings.NewReplacer("$header", parts[0], "$claims", parts[1], "$signature", parts[2])
	f.Add("$header.$claims.$signature")
	f.Add("eyJhbGciOiJub25lIn0.$claims.")
	f.Add("eyJhbGciOiJIUzI1NiJ9.$claims.$signature")
	f.Add("eyJhbGciOiJSUzI1NiIsIng1dCI6MX0.eyJhdWQiOjEsImV4cCI6MWUzMDB9.$signature")
	f.Fuzz(func(t *testing.T, input string) {
		raw := fill.Replace(input)
		a, err := token.ParseAssertion(raw)
		if (a == nil) != (err != nil) {
			t.Fatalf("%v and error %v", a, err)
		}
		if err == nil && (a.Verify(&key.PublicKey) == nil) != (raw == good) {
			t.Fatalf("%q is verified", raw)
		}
	})
}

// FuzzReadAssertion looks for a text that is read for an explanation other than by ParseAssertion, or that is verified
// although ParseAssertion refuses it.
func FuzzReadAssertion(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(assert(f, jose.RS256, key, map[jose.HeaderKey]any{"typ": "JWT"}, map[string]any{"iss": "i", "sub": "s", "aud": "a", "exp": 1}))
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJpIn0.")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6bnVsbH0.eyJpc3MiOiJpIiwiYXVkIjpbImEiLCJiIl19.AAAA")
	f.Add("e30.e30.")
	f.Add("e30.e30.!")
	f.Add("bnVsbA.bnVsbA.")
	f.Fuzz(func(t *testing.T, raw string) {
		read, err := token.ReadAssertion(raw)
		if (read == nil) != (err != nil) || err != nil && !errors.Is(err, token.ErrMalformed) {
			t.Fatalf("%v and error %v", read, err)
		}
		parsed, refused := token.ParseAssertion(raw)
		switch {
		case refused == nil && (read == nil || read.Issuer != parsed.Issuer || read.Subject != parsed.Subject || read.Digest != parsed.Digest):
			t.Fatalf("%+v, want %+v", read, parsed)
		case refused != nil && read != nil && read.Verify(&key.PublicKey) == nil:
			t.Fatalf("%q is verified", raw)
		case read != nil && len(read.Issuer)+len(read.Subject) > token.MaxSize:
			t.Fatal("the claims are longer than a token")
		}
	})
}
