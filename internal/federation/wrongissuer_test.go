package federation_test

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/federation"
)

const configuration = "/.well-known/openid-configuration"

// text answers with a document.
func text(kind, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, body)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "{}", code) }
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(make([]byte, 4<<20))
	_ = z.Close()
}

func endless(w http.ResponseWriter, _ *http.Request) {
	for _, err := io.WriteString(w, `{"keys":[`); err == nil; _, err = io.WriteString(w, strings.Repeat(" ", 4096)) {
	}
}

// An issuer can be wrong in each of these ways. None has an effect but the error of its own assertions.
func TestIssuersWithWrongDocuments(t *testing.T) {
	type change = func(*testIssuer)
	set := func(name string, value any) change { return func(i *testIssuer) { i.Set(name, value) } }
	serve := func(path string, h http.HandlerFunc) change { return func(i *testIssuer) { i.Serve(path, h) } }
	for name, c := range map[string]struct {
		change change
		want   federation.Reason
	}{
		"nothing wrong":                      {func(*testIssuer) {}, "verified"},
		"another issuer":                     {set("issuer", "https://other.example"), federation.Document},
		"a slash at the end":                 {func(i *testIssuer) { i.Set("issuer", i.URL+"/") }, federation.Document},
		"an issuer in capitals":              {func(i *testIssuer) { i.Set("issuer", strings.ToUpper(i.URL)) }, federation.Document},
		"no issuer":                          {set("issuer", nil), federation.Document},
		"an issuer under a name in capitals": {func(i *testIssuer) { i.Set("issuer", nil); i.Set("ISSUER", i.URL) }, federation.Document},
		"no jwks_uri":                        {set("jwks_uri", nil), federation.Document},
		"no subject_types_supported":         {set("subject_types_supported", nil), federation.Document},
		"no authorization_endpoint":          {set("authorization_endpoint", nil), federation.Document},
		"jwks_uri is a number":               {set("jwks_uri", 7), federation.Document},
		"jwks_uri is empty":                  {set("jwks_uri", ""), federation.Unreachable},
		"jwks_uri is relative":               {set("jwks_uri", "/keys"), federation.Unreachable},
		"jwks_uri is http":                   {func(i *testIssuer) { i.Set("jwks_uri", strings.Replace(i.URL, "https", "http", 1)+"/keys") }, federation.Unreachable},
		"jwks_uri is a file":                 {set("jwks_uri", "file:///etc/passwd"), federation.Unreachable},
		"jwks_uri is a metadata service":     {set("jwks_uri", "https://169.254.169.254/keys"), federation.Unreachable},
		"jwks_uri has a user":                {func(i *testIssuer) { i.Set("jwks_uri", strings.Replace(i.URL, "https://", "https://u:p@", 1)+"/keys") }, federation.Unreachable},
		"discovery is empty":                 {serve(configuration, text("application/json", "")), federation.Document},
		"discovery is an empty object":       {serve(configuration, text("application/json", "{}")), federation.Document},
		"discovery is null":                  {serve(configuration, text("application/json", "null")), federation.Document},
		"discovery is an array":              {serve(configuration, text("application/json", "[]")), federation.Document},
		"discovery is HTML":                  {serve(configuration, text("text/html", "<html></html>")), federation.Unreachable},
		"discovery is HTML declared as JSON": {serve(configuration, text("application/json", "<html></html>")), federation.Document},
		"discovery fails":                    {serve(configuration, status(500)), federation.Unreachable},
		"discovery is missing":               {serve(configuration, status(404)), federation.Unreachable},
		"discovery redirects to http":        {serve(configuration, redirect("http://127.0.0.1:1/")), federation.Unreachable},
		"discovery redirects to metadata":    {serve(configuration, redirect("https://169.254.169.254/")), federation.Unreachable},
		"discovery redirects in circles":     {serve(configuration, redirect(configuration)), federation.Unreachable},
		"discovery is a bomb":                {serve(configuration, bomb), federation.Unreachable},
		"discovery is endless":               {serve(configuration, endless), federation.Unreachable},
		"discovery is large":                 {set("x", strings.Repeat("a", 200<<10)), federation.Unreachable},
		"keys are empty":                     {serve("/keys", text("application/json", "")), federation.Document},
		"keys are an empty object":           {serve("/keys", text("application/json", "{}")), federation.Document},
		"keys are null":                      {serve("/keys", text("application/json", `{"keys":null}`)), federation.Document},
		"keys are an array":                  {serve("/keys", text("application/json", `[]`)), federation.Document},
		"keys are text":                      {serve("/keys", text("application/json", `{"keys":"x"}`)), federation.Document},
		"keys are cut off":                   {serve("/keys", text("application/json", `{"keys":[{"kty":`)), federation.Document},
		"keys under a name in capitals":      {serve("/keys", text("application/json", `{"KEYS":[]}`)), federation.Document},
		"keys are HTML":                      {serve("/keys", text("text/html", "<html></html>")), federation.Unreachable},
		"keys fail":                          {serve("/keys", status(503)), federation.Unreachable},
		"keys are a bomb":                    {serve("/keys", bomb), federation.Unreachable},
		"keys are endless":                   {serve("/keys", endless), federation.Unreachable},
		"keys redirect to another port":      {serve("/keys", redirect("https://127.0.0.1:1/")), federation.Unreachable},
		"no keys":                            {serve("/keys", text("application/json", `{"keys":[]}`)), federation.UnknownKey},
		"keys that are not objects":          {serve("/keys", text("application/json", `{"keys":[1,null,"a",[]]}`)), federation.UnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newTestIssuer(t)
			c.change(issuer)
			issuers := newIssuers(t, &testClock{}, issuer.Settings())
			if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))); got != c.want {
				t.Errorf("%s, and not %s", got, c.want)
			}
		})
	}
}

// Kubernetes, GitHub and SPIRE issue nothing but id tokens, and their documents have less than others.
func TestIssuersThatHaveNoAuthorizationEndpoint(t *testing.T) {
	for _, document := range []string{
		`{"issuer":%[1]q,"jwks_uri":"%[1]s/keys","response_types_supported":["id_token"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`,
		`{"issuer":%[1]q,"jwks_uri":"%[1]s/keys","subject_types_supported":["public","pairwise"],"response_types_supported":["id_token"],"claims_supported":["sub"],"scopes_supported":["openid"]}`,
		`{"issuer":%[1]q,"jwks_uri":"%[1]s/keys","authorization_endpoint":"","response_types_supported":["id_token"],"subject_types_supported":[]}`,
	} {
		issuer := newTestIssuer(t)
		issuer.Serve(configuration, text("application/json", fmt.Sprintf(document, issuer.URL)))
		issuers := newIssuers(t, &testClock{}, issuer.Settings())
		if err := issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0)); err != nil {
			t.Error(err)
		}
	}
}

// modulus is an odd number of so many bytes, in the form of a JWK.
func modulus(bytes int) string {
	n := make([]byte, bytes)
	n[0], n[bytes-1] = 0x80, 1
	return base64.RawURLEncoding.EncodeToString(n)
}

func TestIssuersUseOnlyKeysThatMayVerify(t *testing.T) {
	without := func(name string) func(map[string]any) { return func(m map[string]any) { delete(m, name) } }
	with := func(name string, value any) func(map[string]any) { return func(m map[string]any) { m[name] = value } }
	weak, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // the test is that it is refused
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := jwkOf(rsaKeys()[0], "k1")
	many := make([]any, 101)
	for i := range many {
		many[i] = jwk(fmt.Sprintf("other%d", i), 1)
	}
	at := func(i int) []any {
		all := append([]any(nil), many...)
		all[i] = jwk("k1", 0)
		return all
	}
	for name, c := range map[string]struct {
		keys []any
		want federation.Reason
	}{
		"alg missing":        {[]any{jwk("k1", 0, without("alg"))}, "verified"},
		"key_ops verify":     {[]any{jwk("k1", 0, with("key_ops", []string{"verify"}))}, "verified"},
		"beside an EC key":   {[]any{jwkOf(curve.Public(), "k1"), jwk("k1", 0)}, "verified"},
		"kid twice, second":  {[]any{jwk("k1", 1), jwk("k1", 0)}, "verified"},
		"kid 4 times, last":  {[]any{jwk("k1", 1), jwk("k1", 1), jwk("k1", 1), jwk("k1", 0)}, "verified"},
		"kid 5 times, last":  {[]any{jwk("k1", 1), jwk("k1", 1), jwk("k1", 1), jwk("k1", 1), jwk("k1", 0)}, federation.Signature},
		"4104 bits":          {[]any{jwk("k1", 0, with("n", modulus(513)))}, federation.UnknownKey},
		"exponent 65539":     {[]any{jwk("k1", 0, with("e", "AQAD"))}, federation.UnknownKey},
		"n after a zero":     {[]any{jwk("k1", 0, with("n", base64.RawURLEncoding.EncodeToString(append([]byte{0}, rsaKeys()[0].N.Bytes()...))))}, "verified"},
		"4096 bits":          {[]any{jwk("k1", 0, with("n", modulus(512)))}, federation.Signature},
		"kid twice, neither": {[]any{jwk("k1", 1), jwk("k1", 2)}, federation.Signature},
		"the 100th key":      {at(99), "verified"},
		"the 101st key":      {at(100), federation.UnknownKey},
		"use missing":        {[]any{jwk("k1", 0, without("use"))}, federation.UnknownKey},
		"use enc":            {[]any{jwk("k1", 0, with("use", "enc"))}, federation.UnknownKey},
		"use SIG":            {[]any{jwk("k1", 0, with("use", "SIG"))}, federation.UnknownKey},
		"alg RS512":          {[]any{jwk("k1", 0, with("alg", "RS512"))}, federation.UnknownKey},
		"alg PS256":          {[]any{jwk("k1", 0, with("alg", "PS256"))}, federation.UnknownKey},
		"alg is no text":     {[]any{jwk("k1", 0, with("alg", 7))}, federation.UnknownKey},
		"key_ops encrypt":    {[]any{jwk("k1", 0, with("key_ops", []string{"encrypt"}))}, federation.UnknownKey},
		"a private key":      {[]any{private}, federation.UnknownKey},
		"an EC key":          {[]any{jwkOf(curve.Public(), "k1")}, federation.UnknownKey},
		"a symmetric key":    {[]any{map[string]any{"kty": "oct", "use": "sig", "kid": "k1", "k": "AAAA"}}, federation.UnknownKey},
		"1024 bits":          {[]any{jwkOf(&weak.PublicKey, "k1")}, federation.UnknownKey},
		"20000 bits":         {[]any{jwk("k1", 0, with("n", base64.RawURLEncoding.EncodeToString(append([]byte{1}, make([]byte, 2500)...))))}, federation.UnknownKey},
		"exponent 1":         {[]any{jwk("k1", 0, with("e", "AQ"))}, federation.UnknownKey},
		"exponent 0":         {[]any{jwk("k1", 0, with("e", "AA"))}, federation.UnknownKey},
		"exponent 2":         {[]any{jwk("k1", 0, with("e", "Ag"))}, federation.UnknownKey},
		"a huge exponent":    {[]any{jwk("k1", 0, with("e", strings.Repeat("_", 400)))}, federation.UnknownKey},
		"no exponent":        {[]any{jwk("k1", 0, without("e"))}, federation.UnknownKey},
		"no modulus":         {[]any{jwk("k1", 0, without("n"))}, federation.UnknownKey},
		"modulus not base64": {[]any{jwk("k1", 0, with("n", "!"))}, federation.UnknownKey},
		"kid missing":        {[]any{jwk("", 0)}, federation.UnknownKey},
		"kid in capitals":    {[]any{jwk("K1", 0)}, federation.UnknownKey},
		"kid is a number":    {[]any{jwk("k1", 0, with("kid", 1))}, federation.UnknownKey},
		"names in capitals":  {[]any{jwk("k1", 0, without("use"), with("USE", "sig"))}, federation.UnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := newTestIssuer(t)
			issuer.Publish(c.keys...)
			issuers := newIssuers(t, &testClock{}, issuer.Settings())
			if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))); got != c.want {
				t.Errorf("%s, and not %s", got, c.want)
			}
		})
	}
}

func TestIssuersCheckTheHeaderOfAnAssertion(t *testing.T) {
	issuer := newTestIssuer(t)
	issuers := newIssuers(t, &testClock{}, issuer.Settings())
	rs256 := jose.SigningKey{Algorithm: jose.RS256, Key: rsaKeys()[0]}
	for name, c := range map[string]struct {
		key     jose.SigningKey
		headers []string
		want    federation.Reason
	}{
		"no typ":        {rs256, nil, "verified"},
		"JWT":           {rs256, []string{"typ", "JWT"}, "verified"},
		"the long form": {rs256, []string{"typ", "http://openid.net/specs/jwt/1.0"}, "verified"},
		"at+jwt":        {rs256, []string{"typ", "at+jwt"}, federation.HeaderType},
		"jwt":           {rs256, []string{"typ", "jwt"}, federation.HeaderType},
		"PS256":         {jose.SigningKey{Algorithm: jose.PS256, Key: rsaKeys()[0]}, nil, federation.Algorithm},
	} {
		if got := reason(t, issuers.Verify(t.Context(), signed(t, issuer.URL, "k1", c.key, c.headers...))); got != c.want {
			t.Errorf("%s: %s, and not %s", name, got, c.want)
		}
	}
}

// An assertion without a key id is accepted if there is no doubt about the key.
func TestIssuersVerifyAnAssertionWithoutKid(t *testing.T) {
	for want, keys := range map[federation.Reason][]any{
		"verified":            {jwk("k1", 0)},
		federation.UnknownKey: {jwk("k1", 0), jwk("k2", 1)},
		federation.Signature:  {jwk("k1", 1)},
	} {
		issuer := newTestIssuer(t)
		issuer.Publish(keys...)
		issuers := newIssuers(t, &testClock{}, issuer.Settings())
		if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "", 0))); got != want {
			t.Errorf("%s, and not %s", got, want)
		}
	}
}

// TestIssuersTryFewKeysOfOneKid because each costs a verification, and an issuer can give all of its keys one key id.
func TestIssuersTryFewKeysOfOneKid(t *testing.T) {
	for others, want := range map[int]federation.Reason{3: "verified", 4: federation.Signature, 99: federation.Signature} {
		issuer := newTestIssuer(t)
		var keys []any
		for range others {
			keys = append(keys, jwk("k1", 1))
		}
		issuer.Publish(append(keys, jwk("k1", 0))...)
		issuers := newIssuers(t, &testClock{}, issuer.Settings())
		if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))); got != want {
			t.Errorf("behind %d others: %s, want %s", others, got, want)
		}
	}
}
