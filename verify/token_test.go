package verify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"midas/verify"
	"midas/verify/verifytest"
)

func TestClaimsOfBothVersions(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	now := time.Now().Truncate(time.Second).UTC()
	times := map[string]any{"midas_iat": now.Unix(), "iat": now.Unix() - 300, "nbf": now.Unix() - 300, "exp": now.Unix() + 60}
	with := func(claims map[string]any) map[string]any {
		for name, value := range times {
			claims[name] = value
		}
		return claims
	}
	want := verify.Claims{
		Issuer: i.URL, Audience: audience, TenantID: verifytest.Tenant, Version: "2.0", ObjectID: verifytest.ObjectID, Subject: verifytest.ObjectID,
		ClientID: verifytest.ClientID, ClientAuth: "2", Application: true, Roles: []string{"Orders.Read"}, ID: "token-1",
		IssuedAt: now, NotBefore: now.Add(-5 * time.Minute), Expires: now.Add(time.Minute),
	}
	user := want
	user.Issuer, user.Version, user.Application, user.User, user.Roles = i.V1, "1.0", false, true, nil
	user.Scopes, user.Username, user.Name, user.Subject = []string{"Orders.Read", "Orders.Write"}, "ann@test", "Ann", "pairwise"
	for name, tt := range map[string]struct {
		claims map[string]any
		want   verify.Claims
	}{
		"application": {with(map[string]any{"roles": []string{"Orders.Read"}}), want},
		"user": {with(map[string]any{
			"iss": i.V1, "ver": "1.0", "azp": nil, "azpacr": nil, "appid": verifytest.ClientID, "appidacr": "2", "idtyp": "user",
			"scp": "Orders.Read Orders.Write", "upn": "ann@test", "name": "Ann", "sub": "pairwise",
		}), user},
	} {
		c, err := v.Verify(t.Context(), i.Token(t, audience, tt.claims))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, *c, cmpopts.IgnoreUnexported(verify.Claims{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		var object string
		if ok, err := c.Read("oid", &object); !ok || err != nil || object != verifytest.ObjectID {
			t.Errorf("%s: Read gives %q, %v, %v", name, object, ok, err)
		}
		if ok, err := c.Read("none", &object); ok || err != nil {
			t.Errorf("%s: Read of a claim that is not there: %v, %v", name, ok, err)
		}
		if ok, err := c.Read("exp", &object); ok || err == nil {
			t.Errorf("%s: Read of another type: %v, %v", name, ok, err)
		}
	}
}

// TestForgedAndForeignTokensAreRefused has the attacks with claims and headers that the issuer's own key has signed:
// what a signature alone does not refuse.
func TestForgedAndForeignTokensAreRefused(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	now := time.Now().Unix()
	for name, tt := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"as it should be":                      {nil, nil},
		"an array of one audience":             {map[string]any{"aud": []string{audience}}, nil},
		"without nbf":                          {map[string]any{"nbf": nil}, nil},
		"a time with a fraction":               {map[string]any{"exp": float64(now) + 60.5}, nil},
		"another audience":                     {map[string]any{"aud": "api://other"}, verify.ErrAudience},
		"the audience with a slash":            {map[string]any{"aud": audience + "/"}, verify.ErrAudience},
		"the audience in another case":         {map[string]any{"aud": "API://ORDERS"}, verify.ErrAudience},
		"several audiences":                    {map[string]any{"aud": []string{audience, "api://other"}}, verify.ErrMalformed},
		"one audience twice":                   {map[string]any{"aud": []string{audience, audience}}, verify.ErrMalformed},
		"no audience":                          {map[string]any{"aud": nil}, verify.ErrMalformed},
		"an audience that is no text":          {map[string]any{"aud": 1}, verify.ErrMalformed},
		"another issuer":                       {map[string]any{"iss": "https://evil.test/" + verifytest.Tenant + "/v2.0"}, verify.ErrIssuer},
		"the issuer with a slash":              {map[string]any{"iss": i.URL + "/"}, verify.ErrIssuer},
		"version 2.0 and the issuer of 1.0":    {map[string]any{"iss": i.V1}, verify.ErrIssuer},
		"version 1.0 and the issuer of 2.0":    {map[string]any{"ver": "1.0", "appid": verifytest.ClientID}, verify.ErrIssuer},
		"no version":                           {map[string]any{"ver": nil}, verify.ErrMalformed},
		"version 3.0":                          {map[string]any{"ver": "3.0"}, verify.ErrMalformed},
		"another tenant":                       {map[string]any{"tid": "00000000-7425-40de-944b-e07fc1f90ae7"}, verify.ErrTenant},
		"another tenant and its issuer":        {map[string]any{"tid": "other", "iss": "https://issuer.test/other/v2.0"}, verify.ErrIssuer},
		"no tenant":                            {map[string]any{"tid": nil}, verify.ErrMalformed},
		"no oid, which revocation needs":       {map[string]any{"oid": nil}, verify.ErrMalformed},
		"oid null":                             {map[string]any{"oid": []any{nil}[0:1]}, verify.ErrMalformed},
		"no time of issue":                     {map[string]any{"iat": nil}, verify.ErrMalformed},
		"no expiry":                            {map[string]any{"exp": nil}, verify.ErrMalformed},
		"an expiry as text":                    {map[string]any{"exp": "9999999999"}, verify.ErrMalformed},
		"an expiry beyond all calendars":       {map[string]any{"exp": 1e300}, verify.ErrMalformed},
		"a negative expiry":                    {map[string]any{"exp": -1}, verify.ErrMalformed},
		"expired":                              {map[string]any{"exp": now - 3600}, verify.ErrExpired},
		"not valid yet":                        {map[string]any{"nbf": now + 3600}, verify.ErrNotYetValid},
		"issued in the future":                 {map[string]any{"nbf": nil, "iat": now + 3600}, verify.ErrNotYetValid},
		"bound to a key":                       {map[string]any{"cnf": map[string]any{"kid": "k"}}, verify.ErrBound},
		"bound in a form that is not known":    {map[string]any{"cnf": "x"}, verify.ErrBound},
		"an id_token":                          {map[string]any{"azp": nil, "azpacr": nil, "idtyp": nil}, verify.ErrIDToken},
		"an id_token with azp and nonce":       {map[string]any{"nonce": "n"}, verify.ErrIDToken},
		"an id_token with azp and at_hash":     {map[string]any{"at_hash": "h"}, verify.ErrIDToken},
		"version 2.0 with the client of 1.0":   {map[string]any{"azp": nil, "appid": verifytest.ClientID}, verify.ErrIDToken},
		"an idtyp that is not known":           {map[string]any{"idtyp": "device"}, verify.ErrMalformed},
		"an application with scopes":           {map[string]any{"scp": "Orders.Read"}, verify.ErrMalformed},
		"roles that are no array":              {map[string]any{"roles": "Orders.Read"}, verify.ErrMalformed},
		"a huge token":                         {map[string]any{"pad": strings.Repeat("x", 16<<10)}, verify.ErrMalformed},
		"the audience in a member of its kind": {map[string]any{"aud": nil, "AUD": audience}, verify.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			raw := i.Token(t, audience, tt.claims)
			for range 2 { // the second time, a token that was wrongly accepted comes from the cache
				c, err := v.Verify(t.Context(), raw)
				wantErr(t, err, tt.want)
				if (c == nil) != (err != nil) {
					t.Errorf("claims %v and error %v", c, err)
				}
				if err != nil && strings.Contains(err.Error(), raw[:40]) {
					t.Error("the error contains the token")
				}
			}
		})
	}
}

// part replaces a part of a token.
func part(raw string, at int, with string) string {
	parts := strings.Split(raw, ".")
	parts[at] = with
	return strings.Join(parts, ".")
}

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func TestBadSignaturesAndEncodingsAreRefused(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	good := i.Token(t, audience, nil)
	stranger := verifytest.New(t).Token(t, audience, nil) // another key with the same kid
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	signed := func(header map[string]any, payload string) string { return i.Sign(t, header, []byte(payload)) }
	body := string(payload)
	hs := b64(`{"alg":"HS256","typ":"JWT","kid":"key-1"}`) + "." + strings.Split(good, ".")[1]
	mac := hmac.New(sha256.New, []byte("the public key, which everybody knows"))
	mac.Write([]byte(hs))
	for name, tt := range map[string]struct {
		raw  string
		want error
	}{
		"no token":                            {"", verify.ErrNoToken},
		"one part":                            {"abc", verify.ErrMalformed},
		"two parts":                           {good[:strings.LastIndexByte(good, '.')], verify.ErrMalformed},
		"four parts":                          {good + ".x", verify.ErrMalformed},
		"five parts, encrypted":               {"a.b.c.d.e", verify.ErrMalformed},
		"JSON":                                {`{"payload":"x"}`, verify.ErrMalformed},
		"no signature":                        {part(good, 2, ""), verify.ErrMalformed},
		"a line break":                        {good + "\n", verify.ErrMalformed},
		"padding":                             {good + "==", verify.ErrMalformed},
		"alg none":                            {part(part(good, 0, b64(`{"alg":"none","kid":"key-1"}`)), 2, ""), verify.ErrMalformed},
		"alg none, with a signature":          {part(good, 0, b64(`{"alg":"none","kid":"key-1"}`)), verify.ErrAlgorithm},
		"HS256 with public knowledge":         {hs + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), verify.ErrAlgorithm},
		"PS256":                               {part(good, 0, b64(`{"alg":"PS256","kid":"key-1"}`)), verify.ErrAlgorithm},
		"no alg":                              {part(good, 0, b64(`{"kid":"key-1"}`)), verify.ErrAlgorithm},
		"alg twice":                           {part(good, 0, b64(`{"alg":"none","alg":"RS256","kid":"key-1"}`)), verify.ErrMalformed},
		"a header that is no object":          {part(good, 0, b64(`[]`)), verify.ErrMalformed},
		"no kid":                              {part(good, 0, b64(`{"alg":"RS256"}`)), verify.ErrUnknownKey},
		"unknown kid":                         {part(good, 0, b64(`{"alg":"RS256","kid":"key-9"}`)), verify.ErrUnknownKey},
		"a kid that is a path":                {part(good, 0, b64(`{"alg":"RS256","kid":"../../dev/null"}`)), verify.ErrUnknownKey},
		"another key with the same kid":       {stranger, verify.ErrSignature},
		"another payload":                     {part(good, 1, b64(strings.Replace(body, "app", "usr", 1))), verify.ErrSignature},
		"another header, which is not signed": {part(good, 0, b64(`{"typ":"JWT","alg":"RS256","kid":"key-1"}`)), verify.ErrSignature},
		"extensions that must be understood":  {signed(map[string]any{"crit": []string{"exp"}, "exp": 1}, body), verify.ErrMalformed},
		"a payload that is not encoded":       {signed(map[string]any{"b64": false}, body), verify.ErrMalformed},
		"the type of a list of revocations":   {signed(map[string]any{"typ": "midas-revocations+jwt"}, body), verify.ErrMalformed},
		"the type of a logout token":          {signed(map[string]any{"typ": "logout+jwt"}, body), verify.ErrMalformed},
		"the type of RFC 9068":                {signed(map[string]any{"typ": "at+jwt"}, body), nil},
		"a key in the header":                 {signed(map[string]any{"jku": "https://evil.test/keys"}, body), nil},
		"aud twice":                           {signed(nil, strings.Replace(body, `{`, `{"aud":"api://other",`, 1)), verify.ErrMalformed},
		"aud twice, once escaped":             {signed(nil, strings.Replace(body, `{`, `{"\u0061ud":"api://other",`, 1)), verify.ErrMalformed},
		"oid null":                            {signed(nil, strings.Replace(body, `"oid":"`+verifytest.ObjectID+`"`, `"oid":null`, 1)), verify.ErrMalformed},
		"cnf null":                            {signed(nil, strings.Replace(body, `{`, `{"cnf":null,`, 1)), verify.ErrBound},
		"two objects":                         {signed(nil, body+body), verify.ErrMalformed},
		"no object":                           {signed(nil, `"text"`), verify.ErrMalformed},
		"not UTF-8":                           {signed(nil, strings.Replace(body, "token-1", "token\xff", 1)), verify.ErrMalformed},
		"deep nesting":                        {signed(nil, strings.Repeat(`{"a":`, 2000)+"1"+strings.Repeat("}", 2000)), verify.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), tt.raw)
			wantErr(t, err, tt.want)
		})
	}
}

func TestSkewIsAllowedAndNoMore(t *testing.T) {
	i := newIssuer(t)
	now := time.Now().Unix()
	for _, tt := range []struct {
		skew   time.Duration
		claims map[string]any
		want   error
	}{
		{time.Minute, map[string]any{"exp": now - 30}, nil},
		{time.Minute, map[string]any{"exp": now - 120}, verify.ErrExpired},
		{time.Minute, map[string]any{"nbf": now + 30}, nil},
		{time.Minute, map[string]any{"nbf": now + 120}, verify.ErrNotYetValid},
		{0, map[string]any{"exp": now - 1}, verify.ErrExpired},
		{0, map[string]any{"nbf": now + 30}, verify.ErrNotYetValid},
		{5 * time.Minute, map[string]any{"exp": now - 240}, nil},
	} {
		_, err := i.verifier(t, verify.WithSkew(tt.skew)).Verify(t.Context(), i.Token(t, audience, tt.claims))
		wantErr(t, err, tt.want)
		var expired *verify.ExpiredError
		if errors.As(err, &expired) && (expired.Expired.IsZero() || expired.Now.Before(expired.Expired)) {
			t.Errorf("the error says %+v", expired)
		}
	}
}

// FuzzVerify looks for an encoding, other than the signed one, that is accepted. $token and its parts in an input are
// replaced by those of a good token.
func FuzzVerify(f *testing.F) {
	i := newIssuer(f)
	v := i.verifier(f)
	good := i.Token(f, audience, nil)
	parts := strings.Split(good, ".")
	fill := strings.NewReplacer("$token", good, "$header", parts[0], "$claims", parts[1], "$signature", parts[2])
	f.Add("$token")
	f.Add("$header.$claims.")
	f.Add("$token\n")
	f.Fuzz(func(t *testing.T, input string) {
		raw := fill.Replace(input)
		c, err := v.Verify(t.Context(), raw)
		if (c == nil) != (err != nil) || (err == nil) != (raw == good) {
			t.Fatalf("%q: claims %v, error %v", raw, c, err)
		}
	})
}

// FuzzSignedPayload gives the verifier payloads that the issuer has signed. Whatever they are, there is no panic, and
// what is accepted has the audience and the tenant.
func FuzzSignedPayload(f *testing.F) {
	i := newIssuer(f)
	v := i.verifier(f)
	good, err := base64.RawURLEncoding.DecodeString(strings.Split(i.Token(f, audience, nil), ".")[1])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"aud":["api://orders"],"exp":1e9}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := v.Verify(t.Context(), i.Sign(t, nil, payload))
		if err == nil && (c.Audience != audience || c.TenantID != verifytest.Tenant || c.ObjectID == "") {
			t.Fatalf("%q is accepted as %+v", payload, c)
		}
	})
}
