package witness_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/midastest"
)

// azureCLI is the client id of Azure CLI, which every tenant knows.
const azureCLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

// The APIs that take bearer tokens, each by a request that a good token gets an answer to.
var bearerAPIs = []struct{ name, method, path string }{
	{"ARM", "GET", "/subscriptions?api-version=2022-12-01"},
	{"ARM, a write", "PUT", "{group}?api-version=2021-04-01"},
	{"Graph", "GET", "/v1.0/users"},
	{"Graph, a write", "POST", "/v1.0/groups"},
	{"user information", "GET", "/oidc/userinfo"},
}

// presented is a value that is sent as a bearer token.
type presented struct {
	name   string
	header []string // the values of Authorization
	good   []string // the APIs that take it
}

// TestEveryTokenAtEveryAPI sends each kind of token, and forged ones, to each API. Only a token that this
// server has signed, for that API and for a subject that still exists, is accepted.
func TestEveryTokenAtEveryAPI(t *testing.T) {
	w := watch(t, midastest.Start(t, midastest.Lab()))
	group := w.group(t, "rg")
	for _, p := range slices.Concat(w.realTokens(t), w.forgedTokens(t), w.endedTokens(t)) {
		for _, api := range bearerAPIs {
			t.Run(p.name+" at "+api.name, func(t *testing.T) {
				status, body := w.present(t, api.method, strings.ReplaceAll(api.path, "{group}", group), p.header)
				taken := slices.Contains(p.good, api.name)
				if taken && (status == 401 || status >= 500) || !taken && status != 401 {
					t.Errorf("%d %.300s; want it taken: %v", status, body, taken)
				}
			})
		}
	}
}

func (w *world) present(t *testing.T, method, path string, header []string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.Endpoint+path, strings.NewReader(`{"location":"eastus"}`))
	check(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header["Authorization"] = header
	resp, err := w.guard.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	return resp.StatusCode, string(body)
}

func bearer(token string) []string { return []string{"Bearer " + token} }

// realTokens are what the server itself has given out.
func (w *world) realTokens(t *testing.T) []presented {
	arms, graphs := []string{"ARM", "ARM, a write"}, []string{"Graph", "Graph, a write"}
	app := w.Token(t, midastest.Management)
	user := w.signIn(t, "https://graph.microsoft.com/.default openid offline_access")
	resource := w.vm(t, "vm", *w.identity(t, "rg", "app").ID)
	managed, _ := imds(t, w.agent(t, resource), midastest.Management, "")
	bound := registered{client: w.ClientID, secret: w.ClientSecret}.token(t, w,
		"token_type", "pop", "req_cnf", base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"k"}`)))
	return []presented{
		{"ARM's token of an application", bearer(app), arms},
		{"Graph's token of an application", bearer(w.Token(t, "https://graph.microsoft.com/")), graphs},
		{"ARM's token of a user", bearer(w.signIn(t, "https://management.azure.com/.default")["access_token"]), arms},
		{"Graph's token of a user", bearer(user["access_token"]), append(slices.Clone(graphs), "user information")},
		{"ARM's token of a managed identity", bearer(managed), arms},
		{"a token that is bound to a key", bearer(bound), nil},
		{"a bound token without its proof", []string{"PoP " + bound}, nil},
		{"another resource's token", bearer(w.Token(t, "https://vault.azure.net/")), nil},
		{"an id token", bearer(user["id_token"]), nil},
		{"a refresh token", bearer(user["refresh_token"]), nil},
		{"a client secret", bearer(w.ClientSecret), nil},
		{"an enrollment token", bearer(string(w.enrollmentToken(t, resource))), nil},
		{"two good tokens in two headers", []string{"Bearer " + app, "Bearer " + app}, nil},
		{"a good token under another scheme", []string{"Basic " + app}, nil},
		{"a secret by Basic", []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(w.ClientID+":"+w.ClientSecret))}, nil},
		{"no scheme", []string{app}, nil},
		{"nothing", nil, nil},
		{"an empty token", bearer(""), nil},
		{"words", bearer("let me in"), nil},
		{"dots", bearer("..."), nil},
		{"64 KiB", bearer(strings.Repeat("a", 30<<10)), nil},
	}
}

// signIn gives the tokens that the administrator gets by password as Azure CLI.
func (w *world) signIn(t *testing.T, scope string) map[string]string {
	t.Helper()
	resp, err := w.guard.PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"password"}, "client_id": {azureCLI}, "scope": {scope},
		"username": {midas.LabUserName}, "password": {midas.LabUserPassword},
	})
	check(t, err)
	defer resp.Body.Close()
	var answer map[string]any
	check(t, json.NewDecoder(resp.Body).Decode(&answer))
	tokens := map[string]string{}
	for name, value := range answer {
		tokens[name], _ = value.(string)
	}
	if tokens["access_token"] == "" {
		t.Fatalf("sign in: %v", answer)
	}
	return tokens
}

// forgedTokens are made from a good one by somebody who knows everything that is public.
func (w *world) forgedTokens(t *testing.T) []presented {
	good := w.Token(t, midastest.Management)
	parts := strings.Split(good, ".")
	header, claims := decoded(t, parts[0]), decoded(t, parts[1])
	own, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	public := w.publicKey(t, header["kid"].(string))
	with := func(m map[string]any, name string, value any) map[string]any {
		changed := map[string]any{}
		for k, v := range m {
			changed[k] = v
		}
		changed[name] = value
		return changed
	}
	rs256 := func(header, claims map[string]any) string {
		text := encoded(t, header) + "." + encoded(t, claims)
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(nil, own, crypto.SHA256, sum[:])
		check(t, err)
		return text + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	hs256 := func(secret []byte) string {
		text := encoded(t, with(header, "alg", "HS256")) + "." + parts[1]
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	jwk := map[string]any{
		"kty": "RSA", "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(own.N.Bytes()), "kid": header["kid"], "use": "sig",
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	check(t, err)
	var all []presented
	for name, token := range map[string]string{
		"alg none":                                encoded(t, with(header, "alg", "none")) + "." + parts[1] + ".",
		"alg none in capitals":                    encoded(t, with(header, "alg", "NONE")) + "." + parts[1] + "." + parts[2],
		"HS256 with the public key in DER":        hs256(der),
		"HS256 with the public key in PEM":        hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HS256 with the modulus":                  hs256(public.N.Bytes()),
		"HS256 with nothing":                      hs256(nil),
		"a key of one's own under its kid":        rs256(header, claims),
		"a key of one's own under another kid":    rs256(with(header, "kid", "mine"), claims),
		"a key of one's own in jwk":               rs256(with(header, "jwk", jwk), claims),
		"a key of one's own behind jku":           rs256(with(header, "jku", "https://127.0.0.1:1/keys"), claims),
		"a key of one's own behind x5u":           rs256(with(header, "x5u", "https://127.0.0.1:1/cert"), claims),
		"no kid":                                  rs256(with(header, "kid", ""), claims),
		"a kid that is a path":                    rs256(with(header, "kid", "../../dev/null"), claims),
		"an unknown critical header":              encoded(t, with(with(header, "crit", []string{"b64"}), "b64", false)) + "." + parts[1] + "." + parts[2],
		"another object id":                       parts[0] + "." + encoded(t, with(claims, "oid", "00000000-0000-0000-0000-000000000001")) + "." + parts[2],
		"another audience":                        parts[0] + "." + encoded(t, with(claims, "aud", "00000003-0000-0000-c000-000000000000")) + "." + parts[2],
		"a later end":                             parts[0] + "." + encoded(t, with(claims, "exp", time.Now().Add(99*time.Hour).Unix())) + "." + parts[2],
		"no signature":                            parts[0] + "." + parts[1] + ".",
		"two parts":                               parts[0] + "." + parts[1],
		"four parts":                              good + "." + parts[2],
		"a signature of zeros":                    parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256)),
		"a signature with padding":                good + "==",
		"a line break within":                     parts[0] + "." + parts[1] + ".\t" + parts[2],
		"the JSON serialization":                  `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"claims that are no object":               parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`[]`)) + "." + parts[2],
		"a header that is no object":              base64.RawURLEncoding.EncodeToString([]byte(`"RS256"`)) + "." + parts[1] + "." + parts[2],
		"the token of a server with the same ids": midastest.Start(t, midastest.Lab()).Token(t, midastest.Management),
	} {
		all = append(all, presented{name, bearer(token), nil})
	}
	slices.SortFunc(all, func(a, b presented) int { return strings.Compare(a.name, b.name) })
	return all
}

// publicKey is the key that the server publishes under a kid.
func (w *world) publicKey(t *testing.T, kid string) *rsa.PublicKey {
	t.Helper()
	resp, err := w.guard.Get(w.Endpoint + "/" + w.TenantID + "/discovery/v2.0/keys")
	check(t, err)
	defer resp.Body.Close()
	var set struct{ Keys []struct{ Kid, N string } }
	check(t, json.NewDecoder(resp.Body).Decode(&set))
	for _, k := range set.Keys {
		if k.Kid == kid {
			n, err := base64.RawURLEncoding.DecodeString(k.N)
			check(t, err)
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537}
		}
	}
	t.Fatalf("no key %s", kid)
	return nil
}

// endedTokens were good once.
func (w *world) endedTokens(t *testing.T) []presented {
	deleted := w.application(t, "deleted")
	removedApp := deleted.token(t, w)
	w.graph(t, "DELETE", "/v1.0/servicePrincipals/"+deleted.principal, "")
	disabled := w.application(t, "disabled")
	off := disabled.token(t, w)
	w.graph(t, "PATCH", "/v1.0/servicePrincipals/"+disabled.principal, `{"accountEnabled":false}`)
	gone := *w.identity(t, "rg", "gone").ID
	leaving := w.vm(t, "leaving", gone)
	orphan, _ := imds(t, w.agent(t, leaving), midastest.Management, "")
	w.did(t, "DELETE", gone+"?api-version=2023-01-31", "")
	revoked := *w.identity(t, "rg", "revoked").ID
	before, _ := imds(t, w.agent(t, w.vm(t, "revoking", revoked)), midastest.Management, "")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(1100 * time.Millisecond))) // the time of issue counts whole seconds
	w.did(t, "POST", revoked+"/revokeTokens?api-version=2023-07-31-preview", "")
	return []presented{
		{"the token of a deleted application", bearer(removedApp), nil},
		{"the token of a disabled application", bearer(off), nil},
		{"the token of a deleted managed identity", bearer(orphan), nil},
		{"a token from before revokeTokens", bearer(before), nil},
	}
}

// registered is an application with a secret and a service principal.
type registered struct{ client, principal, secret string }

func (w *world) application(t *testing.T, name string) (r registered) {
	t.Helper()
	app := w.graph(t, "POST", "/v1.0/applications", `{"displayName":"`+name+`"}`)
	r.client = app.text("appId")
	r.secret = w.graph(t, "POST", "/v1.0/applications/"+app.text("id")+"/addPassword", `{}`).text("secretText")
	r.principal = w.graph(t, "POST", "/v1.0/servicePrincipals", `{"appId":"`+r.client+`"}`).text("id")
	return r
}

// token gets the application's token for ARM, with further parameters of the request by name and value.
func (r registered) token(t *testing.T, w *world, more ...string) string {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {r.client}, "client_secret": {r.secret}, "scope": {midastest.Management + "/.default"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	resp, err := w.guard.PostForm(w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", form)
	check(t, err)
	defer resp.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	check(t, json.NewDecoder(resp.Body).Decode(&answer))
	if answer.Token == "" {
		t.Fatalf("%d: no token", resp.StatusCode)
	}
	return answer.Token
}

// graph sends a request that must succeed to Graph, as the administrator.
func (w *world) graph(t *testing.T, method, path, body string) answer {
	t.Helper()
	got := w.arm(t, method, path, body, w.Token(t, "https://graph.microsoft.com/"))
	if got.status >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, got.status, got.body)
	}
	return got
}

func decoded(t *testing.T, part string) (m map[string]any) {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(part)
	check(t, err)
	check(t, json.Unmarshal(data, &m))
	return m
}

func encoded(t *testing.T, m map[string]any) string {
	t.Helper()
	data, err := json.Marshal(m)
	check(t, err)
	return base64.RawURLEncoding.EncodeToString(data)
}
