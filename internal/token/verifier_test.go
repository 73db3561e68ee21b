package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"midas/internal/token"
)

func contextWithStop(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

func header(t testing.TB, raw string) map[string]any { return part(t, raw, 0) }

func part(t testing.TB, raw string, i int) map[string]any {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func encode(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

func TestTokensHaveEntrasClaims(t *testing.T) {
	f := newFixture(t)
	c := f.claims()
	c.MIResourceID, c.Roles = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u", []string{"Task.Read"}
	raw := f.mint(t, c)
	kid := f.keys.Signer()
	if diff := cmp.Diff(map[string]any{"typ": "JWT", "alg": "RS256", "kid": kid, "x5t": kid}, header(t, raw)); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	now := float64(start.Unix())
	want := map[string]any{
		"aud": "https://management.azure.com", "iss": origin + "/" + tenant + "/", "idp": origin + "/" + tenant + "/",
		"iat": now - 300, "nbf": now - 300, "midas_iat": now, "exp": now + 3600, "appid": client, "appidacr": "1", "idtyp": "app",
		"oid": object, "sub": object, "tid": tenant, "uti": "uti-1", "ver": "1.0",
		"roles": []any{"Task.Read"}, "xms_mirid": c.MIResourceID,
	}
	if diff := cmp.Diff(want, part(t, raw, 1)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	got, err := f.verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	c.Issuer, c.Version, c.UniqueID = origin+"/"+tenant+"/", "1.0", "uti-1"
	c.Issued = start.Truncate(time.Second)
	c.IssuedAt, c.NotBefore, c.Expires = c.Issued.Add(-5*time.Minute), c.Issued.Add(-5*time.Minute), c.Issued.Add(time.Hour)
	if diff := cmp.Diff(&c, got); diff != "" {
		t.Errorf("verified claims (-minted +verified):\n%s", diff)
	}
}

func TestMintRefusesInvalidClaims(t *testing.T) {
	f := newFixture(t)
	tests := map[string]func(*token.Claims){
		"no audience":                  func(c *token.Claims) { c.Audience = "" },
		"no subject":                   func(c *token.Claims) { c.Subject = "" },
		"no tenant":                    func(c *token.Claims) { c.TenantID = "" },
		"no expiry":                    func(c *token.Claims) { c.Expires = time.Time{} },
		"expired already":              func(c *token.Claims) { c.Expires = start.Add(-time.Second) },
		"longer than MaxTokenLifetime": func(c *token.Claims) { c.Expires = start.Add(day + time.Second) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			c := f.claims()
			spoil(&c)
			if _, err := f.issuer.Mint(t.Context(), c); err == nil {
				t.Error("minted")
			}
		})
	}
}

// TestForgeriesAreRefused tries known attacks on JWT verifiers.
func TestForgeriesAreRefused(t *testing.T) {
	f := newFixture(t)
	good := f.mint(t, f.claims())
	parts := strings.Split(good, ".")
	kid := f.keys.Signer()

	other := newFixture(t) // the attacker's own keys, and a foreign installation with the same origin
	foreign := other.mint(t, other.claims())
	elsewhere := &token.Issuer{Keys: f.keys, Now: f.clock.Now, NewID: f.issuer.NewID, Origin: "https://elsewhere.test"}

	// resign combines any header with a signature of the attacker's key.
	resign := func(header map[string]any) string {
		signed := encode(t, header) + "." + parts[1]
		return signed + "." + strings.Split(foreign, ".")[2]
	}
	confused := func(key []byte) string {
		signed := encode(t, map[string]any{"alg": "HS256", "typ": "JWT", "kid": kid}) + "." + parts[1]
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(signed))
		return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	public := f.keys.PublicKeys("")[0]
	modulus, _ := base64.RawURLEncoding.DecodeString(public.Modulus)
	certificate, _ := base64.StdEncoding.DecodeString(public.Certificates[0])
	attacker := jose.JSONWebKey{Key: rsaOf(t, other.keys.PublicKeys("")[0])}
	claims := func(edit func(m map[string]any)) string {
		m := part(t, good, 1)
		edit(m)
		return parts[0] + "." + encode(t, m) + "." + parts[2]
	}

	tests := []struct {
		name string
		raw  string
		want error
	}{
		{"empty", "", token.ErrMalformed},
		{"one part", parts[0], token.ErrMalformed},
		{"two parts", parts[0] + "." + parts[1], token.ErrMalformed},
		{"two parts and a dot", parts[0] + "." + parts[1] + ".", token.ErrMalformed},
		{"four parts", good + "." + parts[2], token.ErrMalformed},
		{"every part twice", good + "." + good, token.ErrMalformed},
		{"header in the place of claims", parts[0] + "." + parts[0] + "." + parts[2], token.ErrSignature},
		{"only dots", "..", token.ErrMalformed},
		{"not base64", "!.!.!", token.ErrMalformed},
		{"padded", good + "==", token.ErrMalformed},
		{"with a line break", good[:20] + "\n" + good[20:], token.ErrMalformed},
		{"with a line break at the end", good + "\n", token.ErrMalformed},
		{"with a space before", " " + good, token.ErrMalformed},
		{"the JSON serialisation", `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`, token.ErrMalformed},
		{"huge", good + strings.Repeat("A", token.MaxSize), token.ErrMalformed},
		{"truncated", good[:len(good)-1], token.ErrMalformed},
		{"truncated by whole bytes", parts[0] + "." + parts[1] + "." + shorten(parts[2]), token.ErrSignature},
		{"one bit of the signature", parts[0] + "." + parts[1] + "." + flip(parts[2]), token.ErrSignature},
		{"alg none, no signature", encode(t, map[string]any{"alg": "none"}) + "." + parts[1] + ".", token.ErrMalformed},
		{"alg none, signature kept", encode(t, map[string]any{"alg": "none", "kid": kid}) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"alg None", encode(t, map[string]any{"alg": "None", "kid": kid}) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"alg missing", encode(t, map[string]any{"kid": kid}) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"alg PS256", encode(t, map[string]any{"alg": "PS256", "kid": kid}) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"HS256 with the modulus as its key", confused(modulus), token.ErrMalformed},
		{"HS256 with the certificate as its key", confused(certificate), token.ErrMalformed},
		{"header is no object", base64.RawURLEncoding.EncodeToString([]byte(`[]`)) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"header with alg twice", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","alg":"none","kid":"`+kid+`"}`)) + "." + parts[1] + "." + parts[2], token.ErrMalformed},
		{"unknown kid", resign(map[string]any{"alg": "RS256", "kid": "nobody"}), token.ErrUnknownKey},
		{"kid missing", resign(map[string]any{"alg": "RS256"}), token.ErrUnknownKey},
		{"kid that is a path", resign(map[string]any{"alg": "RS256", "kid": "../" + kid}), token.ErrUnknownKey},
		{"the attacker's key in jwk", resign(map[string]any{"alg": "RS256", "kid": kid, "jwk": attacker}), token.ErrSignature},
		{"the attacker's key in jwk, without kid", resign(map[string]any{"alg": "RS256", "jwk": attacker}), token.ErrUnknownKey},
		{"the attacker's key set in jku", resign(map[string]any{"alg": "RS256", "kid": kid, "jku": "https://attacker.test/keys"}), token.ErrSignature},
		{"an unknown critical header", resign(map[string]any{"alg": "RS256", "kid": kid, "crit": []string{"x"}, "x": 1}), token.ErrSignature},
		{"another audience", claims(func(m map[string]any) { m["aud"] = "https://vault.azure.net" }), token.ErrSignature},
		{"a later expiry", claims(func(m map[string]any) { m["exp"] = 9e9 }), token.ErrSignature},
		{"another installation's key", foreign, token.ErrUnknownKey},
		{"this installation's key, another origin", mintWith(t, elsewhere, f.claims()), token.ErrIssuer},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := f.verifier.Verify(t.Context(), test.raw)
			if !errors.Is(err, test.want) || c != nil {
				t.Errorf("Verify returned %v, %v; want %v", c, err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), parts[2]) {
				t.Error("the error repeats the signature")
			}
		})
	}
	if _, err := f.verifier.Verify(t.Context(), good); err != nil {
		t.Errorf("the good token is refused: %v", err)
	}
}

func rsaOf(t *testing.T, key token.PublicKey) any {
	t.Helper()
	var j jose.JSONWebKey
	data, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.UnmarshalJSON(data); err != nil {
		t.Fatalf("the public key is no JSON Web Key: %v", err)
	}
	return j.Key
}

// shorten removes the last byte of the data that s encodes.
func shorten(s string) string {
	data, _ := base64.RawURLEncoding.DecodeString(s)
	return base64.RawURLEncoding.EncodeToString(data[:len(data)-1])
}

// flip changes the highest bit of the data that s encodes.
func flip(s string) string {
	data, _ := base64.RawURLEncoding.DecodeString(s)
	n := new(big.Int).SetBytes(data)
	n.SetBit(n, 2000, n.Bit(2000)^1)
	return base64.RawURLEncoding.EncodeToString(n.FillBytes(data))
}

func mintWith(t *testing.T, i *token.Issuer, c token.Claims) string {
	t.Helper()
	raw, err := i.Mint(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestTheIssuerMustMatchTenantAndVersion signs claims with a real key that Mint refuses.
func TestTheIssuerMustMatchTenantAndVersion(t *testing.T) {
	f := newFixture(t)
	base := part(t, f.mint(t, f.claims()), 1)
	tests := map[string]struct {
		claim string
		value any
		want  error
	}{
		"as minted":                      {"tid", tenant, nil},
		"another tenant's tid":           {"tid", object, token.ErrIssuer},
		"no tid":                         {"tid", "", token.ErrIssuer},
		"tid with a relative path":       {"tid", "../" + tenant, token.ErrIssuer},
		"a v2.0 issuer":                  {"iss", origin + "/" + tenant + "/v2.0", token.ErrIssuer},
		"issuer without its final slash": {"iss", origin + "/" + tenant, token.ErrIssuer},
		"issuer of another host":         {"iss", "https://sts.windows.net/" + tenant + "/", token.ErrIssuer},
		"another version":                {"ver", "2.0", token.ErrIssuer},
		"two audiences":                  {"aud", []string{"a", "b"}, token.ErrMalformed},
		"exp that is not a number":       {"exp", "tomorrow", token.ErrMalformed},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			base := cloneMap(base)
			base[test.claim] = test.value
			payload, err := json.Marshal(base)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := f.keys.Sign(payload)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.verifier.Verify(t.Context(), raw); !errors.Is(err, test.want) {
				t.Errorf("Verify: %v, want %v", err, test.want)
			}
		})
	}
}

func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// TestTimeIsCheckedAtEveryVerification moves the clock and verifies twice; the second time the token is cached.
func TestTimeIsCheckedAtEveryVerification(t *testing.T) {
	f := newFixture(t)
	raw := f.mint(t, f.claims())
	issued := start.Truncate(time.Second)
	tests := []struct {
		name string
		at   time.Time
		want error
	}{
		{"six minutes before nbf", issued.Add(-6 * time.Minute), token.ErrNotYetValid},
		{"within the skew of clocks", issued.Add(-5 * time.Minute), nil},
		{"when issued", start, nil},
		{"just before exp", issued.Add(time.Hour - 1), nil},
		{"at exp", issued.Add(time.Hour), &token.ExpiredError{}},
		{"when issued, again", start, nil},
		{"long after", issued.AddDate(1, 0, 0), &token.ExpiredError{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.clock.Set(test.at)
			for _, call := range []string{"first", "second"} {
				_, err := f.verifier.Verify(t.Context(), raw)
				var expired *token.ExpiredError
				if errors.As(err, &expired) {
					want := &token.ExpiredError{Expired: issued.Add(time.Hour), Now: test.at}
					if diff := cmp.Diff(want, expired); diff != "" {
						t.Errorf("%s call (-want +got):\n%s", call, diff)
					}
					err = &token.ExpiredError{}
				}
				if _, wanted := test.want.(*token.ExpiredError); wanted != (expired != nil) || !wanted && !errors.Is(err, test.want) {
					t.Errorf("%s call: %v, want %v", call, err, test.want)
				}
			}
		})
	}
}

func TestAVerifiedTokenIsNotParsedAgain(t *testing.T) {
	f := newFixture(t)
	raw := f.mint(t, f.claims())
	first, err := f.verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.verifier.Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if first != second {
		t.Error("the token was parsed again")
	}
	allocs := testing.AllocsPerRun(100, func() { _, _ = f.verifier.Verify(context.Background(), raw) })
	if allocs > 0 {
		t.Errorf("a cached token costs %v allocations, want none", allocs)
	}
}
