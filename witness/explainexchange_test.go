package witness_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas"
	"midas/midastest"
)

// logged is what a server has logged.
type logged struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// exchangeWorld is a server that trusts issuers whose keys are files.
type exchangeWorld struct {
	*midastest.Server
	log      *logged
	keys     [2]*rsa.PrivateKey // the issuers have the first one
	identity string             // the id of a user-assigned identity
	client   string             // its client id
	token    string             // of the administrator
}

// The issuers of an exchangeWorld. The last one is not reachable, and the one before it wants a claim.
func outsideIssuers() []string {
	return []string{github, "https://issuer.example/a", "https://issuer.example/a/", "https://enterprise.example", "https://127.0.0.1:1/closed"}
}

func startExchange(t *testing.T) *exchangeWorld {
	w := &exchangeWorld{log: &logged{}}
	for i := range w.keys {
		var err error
		w.keys[i], err = rsa.GenerateKey(rand.Reader, 2048)
		check(t, err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &w.keys[0].PublicKey, KeyID: "k1", Algorithm: "RS256", Use: "sig"}}})
	check(t, err)
	file := filepath.Join(t.TempDir(), "jwks.json")
	check(t, os.WriteFile(file, set, 0o600))
	w.Server = midastest.Start(t, midastest.With(func(c *midas.Config) {
		c.Logger = slog.New(slog.NewTextHandler(w.log, nil))
		for _, issuer := range outsideIssuers()[:4] {
			c.Issuers = append(c.Issuers, midas.IssuerConfig{Issuer: issuer, JWKS: file})
		}
		c.Issuers[3].Enterprise = []string{"contoso"}
	}))
	w.token = w.Token(t, midastest.Management)
	group := "/subscriptions/" + w.SubscriptionID + "/resourceGroups/rg"
	w.arm(t, "PUT", group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	w.identity = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	_, made := w.arm(t, "PUT", w.identity+"?api-version=2023-01-31", `{"location":"eastus"}`)
	w.client, _ = made["properties"].(map[string]any)["clientId"].(string)
	return w
}

// arm sends a request to ARM as the administrator.
func (w *exchangeWorld) arm(t *testing.T, method, path, body string) (int, map[string]any) {
	t.Helper()
	return w.armAs(t, w.token, [2]string{method, path}, body)
}

func (w *exchangeWorld) armAs(t *testing.T, bearer string, request [2]string, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), request[0], w.Endpoint+request[1], strings.NewReader(body))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	return w.send(t, req)
}

func (w *exchangeWorld) send(t *testing.T, req *http.Request) (int, map[string]any) {
	t.Helper()
	resp, err := w.Client().Do(req)
	check(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(t, err)
	answer := map[string]any{}
	if len(data) > 0 {
		check(t, json.Unmarshal(data, &answer))
	}
	return resp.StatusCode, answer
}

func (w *exchangeWorld) putCredential(t *testing.T, name string, properties map[string]any) int {
	t.Helper()
	body, err := json.Marshal(map[string]any{"properties": properties})
	check(t, err)
	status, _ := w.arm(t, "PUT", w.identity+"/federatedIdentityCredentials/"+name+"?api-version=2025-05-31-preview", string(body))
	return status
}

// exchange asks the token endpoint. It returns the status and the code of the error.
func (w *exchangeWorld) exchange(t *testing.T, raw string) (int, string) {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {w.client}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {raw},
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	check(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, answer := w.send(t, req)
	description, _ := answer["error_description"].(string)
	code, _, _ := strings.Cut(description, ":")
	return status, code
}

func (w *exchangeWorld) explain(t *testing.T, raw string) (int, map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"clientId": w.client, "token": raw})
	check(t, err)
	return w.arm(t, "POST", explainExchange, string(body))
}

const explainExchange = "/providers/Midas.Authorization/explainExchange?api-version=2026-11-01"

// assertion signs claims with one of the keys, or with none if the algorithm is none.
func (w *exchangeWorld) assertion(t *testing.T, key int, header, claims map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, value := range header {
		if name != "alg" {
			options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	algorithm, signing := jose.RS256, any(w.keys[key])
	switch header["alg"] {
	case "PS256":
		algorithm = jose.PS256
	case "HS256":
		algorithm, signing = jose.HS256, []byte(strings.Repeat("k", 64))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: signing}, options)
	check(t, err)
	payload, err := json.Marshal(claims)
	check(t, err)
	signed, err := signer.Sign(payload)
	check(t, err)
	raw, err := signed.CompactSerialize()
	check(t, err)
	return raw
}

// Explain says granted exactly if the token endpoint grants, with the same code if it does not, and then says at least
// one thing that is wrong.
func TestExplanationsOfExchangesAgreeWithTheTokenEndpoint(t *testing.T) {
	w := startExchange(t)
	random := mathrand.New(mathrand.NewPCG(12, 6))
	one := func(values ...any) any { return values[random.IntN(len(values))] }
	subjects := []any{"repo:contoso/app:ref:refs/heads/main", "repo:Contoso/app:ref:refs/heads/main", "repo:contoso@1/app@2:ref:refs/heads/main", "repo:contoso/app:pull_request", "system:serviceaccount:a:b", "system:serviceaccount:b:a", "p\u0430ypal", ""}
	issuers := []any{github, github + "/", "https://issuer.example/a", "https://issuer.example/a/", "https://enterprise.example", "https://127.0.0.1:1/closed"}
	audiences := []any{tokenExchange, "api://azureadtokenexchange", "https://github.com/contoso"}
	often := func(usual any, others []any) any {
		if random.IntN(5) > 0 {
			return usual
		}
		return others[random.IntN(len(others))]
	}
	granted, refused, codes := 0, 0, map[string]int{}
	for range 40 {
		for i := range 3 {
			properties := map[string]any{"issuer": one(issuers...), "subject": one(subjects...), "audiences": []any{often(tokenExchange, audiences)}}
			if random.IntN(4) == 0 {
				delete(properties, "subject")
				properties["issuer"] = often("https://issuer.example/a", issuers)
				properties["claimsMatchingExpression"] = map[string]any{"languageVersion": 1, "value": one("claims['sub'] matches 'repo:contoso/*'", "claims['sub'] eq 'repo:contoso/app:pull_request'")}
			}
			w.putCredential(t, fmt.Sprintf("cred-%d", i), properties)
		}
		_, list := w.arm(t, "GET", w.identity+"/federatedIdentityCredentials?api-version=2025-05-31-preview", "")
		for range 12 {
			now := time.Now()
			claims := map[string]any{"iss": one(issuers...), "sub": one(subjects...), "aud": often(tokenExchange, audiences), "exp": now.Add(time.Hour).Unix()}
			if all, _ := list["value"].([]any); len(all) > 0 && random.IntN(4) > 0 { // near one of the credentials
				p := all[random.IntN(len(all))].(map[string]any)["properties"].(map[string]any)
				claims["iss"] = often(p["issuer"], issuers)
				if p["subject"] != nil {
					claims["sub"] = often(p["subject"], subjects)
				}
				claims["aud"] = often(p["audiences"], audiences)
			}
			header := map[string]any{"typ": often("JWT", []any{"JWT", "JWT", "at+jwt"}), "kid": often("k1", []any{"k1", "k2"}), "alg": often("RS256", []any{"RS256", "PS256", "HS256"})}
			switch random.IntN(10) {
			case 0:
				claims["exp"] = now.Add(-time.Hour).Unix()
			case 1:
				claims["nbf"] = now.Add(time.Hour).Unix()
			case 2:
				delete(claims, "exp")
			case 3:
				claims["aud"] = []any{tokenExchange, "x"}
			case 4:
				claims["enterprise"] = "contoso"
			}
			raw := w.assertion(t, int(one(0, 0, 0, 0, 1).(int)), header, claims)
			switch random.IntN(20) {
			case 0:
				raw = raw[:len(raw)-10]
			case 1:
				raw += "."
			}
			status, code := w.exchange(t, raw)
			explained, x := w.explain(t, raw)
			findings, _ := x["findings"].([]any)
			failure, _ := x["error"].(map[string]any)
			told, _ := failure["code"].(string)
			if explained != 200 || (x["verdict"] == "granted") != (status == 200) || (len(findings) == 0) != (status == 200) || told != code {
				t.Fatalf("the token endpoint answers %d %s, explain %d %v\nheader %v claims %v\ncredentials %v", status, code, explained, x, header, claims, list["value"])
			}
			if status == 200 {
				granted++
			} else {
				refused++
			}
			codes[code]++
			for _, f := range findings {
				if field := f.(map[string]any)["field"]; field == "condition" && code != "AADSTS7002381" {
					t.Errorf("%s is not explained: %v", code, f)
				}
			}
		}
	}
	t.Logf("%d granted, %d refused: %v", granted, refused, codes)
	if granted < 20 || len(codes) < 9 {
		t.Errorf("%d granted, %d refused: %v", granted, refused, codes)
	}
}

// The line of an exchange says what the token has and what is wrong, and neither the line nor the explanation has the token.
func TestExchangesAreLoggedAndTokensAreNot(t *testing.T) {
	w := startExchange(t)
	w.putCredential(t, "main", map[string]any{"issuer": github, "subject": "repo:contoso/app:ref:refs/heads/main", "audiences": []any{tokenExchange}})
	header := map[string]any{"typ": "JWT", "kid": "k1"}
	exp := time.Now().Add(time.Hour).Unix()
	good := w.assertion(t, 0, header, map[string]any{"iss": github, "sub": "repo:contoso/app:ref:refs/heads/main", "aud": tokenExchange, "exp": exp})
	bad := w.assertion(t, 0, header, map[string]any{"iss": github, "sub": "repo:contoso@1/app@2:ref:refs/heads/main", "aud": tokenExchange, "exp": exp})
	var answers []string
	for _, raw := range []string{good, bad} {
		w.exchange(t, raw)
		_, x := w.explain(t, raw)
		data, err := json.Marshal(x)
		check(t, err)
		answers = append(answers, string(data))
	}
	lines := strings.Split(w.log.String(), "\n")
	line := func(message string) string {
		i := slices.IndexFunc(lines, func(l string) bool {
			return strings.Contains(l, `msg="`+message+`"`) && strings.Contains(l, "client_id="+w.client)
		})
		if i < 0 {
			t.Fatalf("there is no line %q in\n%s", message, w.log)
		}
		return lines[i]
	}
	for message, words := range map[string][]string{
		"sign-in granted": {"credential=main", "assertion_issuer=" + github, "identity=", "identity_resource=" + w.identity, "audience=https://management.azure.com/.default"},
		"sign-in refused": {"code=AADSTS700213", "nearest=main", "immutable subject", "repo:contoso@1/app@2", "assertion_subject="},
	} {
		for _, word := range words {
			if l := line(message); !strings.Contains(l, word) {
				t.Errorf("%s\nlacks %s", l, word)
			}
		}
	}
	_, events := w.arm(t, "GET", "/subscriptions/"+w.SubscriptionID+"/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+url.QueryEscape("eventTimestamp ge '2020-01-01T00:00:00Z'"), "")
	data, err := json.Marshal(events)
	check(t, err)
	for _, raw := range []string{good, bad} {
		for _, part := range strings.Split(raw, ".")[1:] {
			for _, text := range append(answers, w.log.String(), string(data)) {
				if strings.Contains(text, part) {
					t.Errorf("a part of the token is in %.300s", text)
				}
			}
		}
	}
}

// Tokens that this server has issued have explanations of their own.
func TestExplainOwnTokens(t *testing.T) {
	w := startExchange(t)
	w.putCredential(t, "own", map[string]any{"issuer": w.Endpoint + "/" + w.TenantID + "/", "subject": "x", "audiences": []any{tokenExchange}})
	w.putCredential(t, "own2", map[string]any{"issuer": w.Endpoint + "/" + w.TenantID + "/v2.0", "subject": "x", "audiences": []any{tokenExchange}})
	status, code := w.exchange(t, w.token)
	_, x := w.explain(t, w.token)
	failure, _ := x["error"].(map[string]any)
	if status == 200 || failure["code"] != code || !strings.Contains(fmt.Sprint(x["reasons"]), "This server has issued the token") {
		t.Errorf("%d %s: %v", status, code, x)
	}
}

// Who may not read the credentials gets the same answer for a client that exists and for one that does not.
func TestExplainExchangeTellsStrangersNothing(t *testing.T) {
	w := startExchange(t)
	w.putCredential(t, "main", map[string]any{"issuer": github, "subject": "s", "audiences": []any{tokenExchange}})
	raw := w.assertion(t, 0, nil, map[string]any{"iss": github, "sub": "s", "aud": tokenExchange, "exp": time.Now().Add(time.Hour).Unix()})
	stranger := w.exchangedToken(t, raw)
	answers := map[string]bool{}
	const nobody = "5d5b1f6e-0000-4000-8000-000000000001"
	for _, id := range []string{w.client, w.ClientID, nobody} {
		status, x := w.armAs(t, stranger, [2]string{"POST", explainExchange}, `{"clientId":"`+id+`","token":"`+raw+`"}`)
		data, err := json.Marshal(x["error"])
		check(t, err)
		answers[fmt.Sprint(status)+strings.ReplaceAll(string(data), id, "ID")] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	for answer := range answers {
		if !strings.HasPrefix(answer, "404") || !strings.Contains(answer, "ClientNotFound") {
			t.Errorf("%s", answer)
		}
	}
	for body, want := range map[string]int{
		`{}`:                              400,
		`{"clientId":"x","token":"y"}`:    400,
		`{"clientId":"` + w.client + `"}`: 400,
		`[]`:                              400,
		`{"clientId":"` + w.client + `","token":"` + strings.Repeat("x", 60<<10) + `"}`: 413,
		`{"clientId":"` + w.client + `","token":"` + strings.Repeat("x", 20<<10) + `"}`: 200,
		`{"clientId":"` + w.client + `","token":1}`:                                     400,
		`{"clientId":"` + w.client + `","token":"\u0000.\u0000.\u0000"}`:                200,
	} {
		if status, x := w.arm(t, "POST", explainExchange, body); status != want {
			t.Errorf("%.80s: %d %v, want %d", body, status, x, want)
		}
	}
}

// exchangedToken is a token of the identity, which has no rights.
func (w *exchangeWorld) exchangedToken(t *testing.T, raw string) string {
	t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {w.client}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {raw},
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.Endpoint+"/"+w.TenantID+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	check(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, answer := w.send(t, req)
	got, _ := answer["access_token"].(string)
	if status != 200 || got == "" {
		t.Fatalf("%d %v", status, answer)
	}
	return got
}

// The line of a refusal is about the credential that is nearest, and not about the first one. It says the field, and of a
// token that cannot be used also what it has. Explanations name keys and issuers.
func TestRefusedExchangesNameTheNearestCredential(t *testing.T) {
	w := startExchange(t)
	const main, closed = "repo:contoso/app:ref:refs/heads/main", "https://127.0.0.1:1/closed"
	for name, c := range map[string][2]string{"aaa": {github, "repo:zzz/z:pull_request"}, "bbb": {"https://issuer.example/a", main}, "near": {github + "/", main}, "closed": {closed, main}, "keys": {"https://issuer.example/a/", main}} {
		if status := w.putCredential(t, name, map[string]any{"issuer": c[0], "subject": c[1], "audiences": []any{tokenExchange}}); status != 201 {
			t.Fatal(status)
		}
	}
	usual := map[string]any{"typ": "JWT", "kid": "k1"}
	claims := func(issuer string) map[string]any {
		return map[string]any{"iss": issuer, "sub": main, "aud": tokenExchange, "exp": time.Now().Add(time.Hour).Unix()}
	}
	late := claims("https://issuer.example/a")
	late["exp"] = time.Now().Add(-time.Hour).Unix()
	for name, tt := range map[string]struct {
		raw    string
		line   []string
		reason []string // of the explanation
	}{
		"a slash":       {w.assertion(t, 0, usual, claims(github)), []string{"nearest=near", "field=issuer", `\"` + github + `/\"`, "slash at its end"}, []string{"slash at its end"}},
		"another type":  {w.assertion(t, 0, map[string]any{"typ": "at+jwt"}, claims(github)), []string{"field=header", "assertion_subject=" + main, "at+jwt"}, []string{"at+jwt", "slash at its end"}},
		"a cut token":   {"eyJhbGciOiJSUzI1NiJ9.e30", []string{"field=token", "2 parts"}, []string{"2 parts"}},
		"an expired":    {w.assertion(t, 0, usual, late), []string{"field=validity", "later; 5 minutes are allowed", "nearest=bbb"}, []string{"later; 5 minutes are allowed"}},
		"unknown key":   {w.assertion(t, 0, map[string]any{"kid": "zz"}, claims("https://issuer.example/a/")), []string{"AADSTS7000272", "unknown key"}, []string{`"zz" (kid in its header)`, `Known is 1 key: "k1", from the file of the configuration.`}},
		"signature":     {w.assertion(t, 1, usual, claims("https://issuer.example/a/")), []string{"AADSTS700027", "signature"}, []string{`The key "k1" of the issuer "https://issuer.example/a/" has not signed this token.`}},
		"not reachable": {w.assertion(t, 0, usual, claims(closed)), []string{"AADSTS501661", "loopback"}, []string{"could not be read (unreachable)", "loopback", "list it in the server's configuration: issuers: [{issuer: '" + closed + "', private: true"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(w.log.String())
			w.exchange(t, tt.raw)
			log := w.log.String()[before:]
			i := strings.Index(log, `msg="sign-in refused"`)
			if i < 0 {
				t.Fatalf("there is no line: %s", log)
			}
			line, _, _ := strings.Cut(log[i:], "\n")
			_, x := w.explain(t, tt.raw)
			for _, word := range tt.line {
				if !strings.Contains(line, word) {
					t.Errorf("%s\nlacks %s", line, word)
				}
			}
			for _, word := range tt.reason {
				if all, _ := x["reasons"].([]any); !strings.Contains(fmt.Sprint(all...), word) {
					t.Errorf("%s\nlacks %s", all, word)
				}
			}
		})
	}
}
