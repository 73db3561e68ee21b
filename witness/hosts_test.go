package witness_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/host"
)

// robber is an attacker who has the files of a host and sends any request to the server.
type robber struct {
	*world
	client *http.Client
}

func (w *world) robber(t testing.TB, pairs ...tls.Certificate) *robber {
	t.Helper()
	config := &tls.Config{RootCAs: w.guard.roots}
	if len(pairs) > 0 { // shown whoever the server says that it trusts
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pairs[0], nil }
	}
	transport := &http.Transport{DialContext: w.guard.dial, TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &robber{world: w, client: &http.Client{Transport: transport}}
}

// pair is the certificate and the key of a host.
func pair(t testing.TB, state string) tls.Certificate {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(state, "host.json"))
	check(t, err)
	var c struct{ Certificate, Key string }
	check(t, json.Unmarshal(data, &c))
	p, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	check(t, err)
	return p
}

// ask sends a request and gives the status, the code of a refusal, and whether there was a token.
func (r *robber) ask(t testing.TB, path, body string, headers ...string) (status int, code string, token bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.Endpoint+path, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, "no connection", false
	}
	defer resp.Body.Close()
	var got struct {
		Token string `json:"token"`
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	data, err := io.ReadAll(resp.Body)
	check(t, err)
	if len(bytes.TrimSpace(data)) > 0 {
		check(t, json.Unmarshal(data, &got))
	}
	return resp.StatusCode, got.Error.Code, got.Token != ""
}

func certificateRequest(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	check(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func object(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	check(t, err)
	return string(data)
}

func TestNoHostGetsAnothersToken(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	mine, theirs := w.identity(t, "rg", "mine"), w.identity(t, "rg", "theirs")
	here, there := w.vm(t, "here", *mine.ID), w.vm(t, "there", "system", *theirs.ID)
	system := w.did(t, "GET", there+machineVersion, "").text("identity", "principalId")
	state := w.enrolled(t, here)
	me, nobody := w.robber(t, pair(t, state)), w.robber(t)
	const path = "/hosts/v1/token"
	plain := `{"audience":"a"}`
	if _, code, token := me.ask(t, path, plain); !token {
		t.Fatalf("the host does not get its own token: %s", code)
	}
	elsewhere := midasOf(t) // another server, with a host of a resource of the same id
	stranger := pair(t, elsewhere)
	for name, c := range map[string]struct {
		by      *robber
		body    string
		headers []string
		status  int
		code    string
	}{
		"another's identity, by client":   {me, object(t, map[string]any{"audience": "a", "clientId": *theirs.Properties.ClientID}), nil, 404, "IdentityNotAssigned"},
		"another's identity, by object":   {me, object(t, map[string]any{"audience": "a", "objectId": *theirs.Properties.PrincipalID}), nil, 404, "IdentityNotAssigned"},
		"another's identity, by resource": {me, object(t, map[string]any{"audience": "a", "resourceId": *theirs.ID}), nil, 404, "IdentityNotAssigned"},
		"another machine's own identity":  {me, object(t, map[string]any{"audience": "a", "objectId": system}), nil, 404, "IdentityNotAssigned"},
		"another machine itself":          {me, object(t, map[string]any{"audience": "a", "resourceId": there}), nil, 404, "IdentityNotAssigned"},
		"a machine named in the body":     {me, object(t, map[string]any{"audience": "a", "resource": there}), nil, 400, "InvalidRequest"},
		"two objects":                     {me, plain + plain, nil, 400, "InvalidRequest"},
		"no audience":                     {me, `{}`, nil, 400, "InvalidAudience"},
		"no certificate":                  {nobody, plain, nil, 403, "UnknownHost"},
		"a certificate in a header":       {nobody, plain, []string{"X-Client-Cert: " + base64.StdEncoding.EncodeToString(stranger.Certificate[0])}, 403, "UnknownHost"},
		"a host in a header":              {nobody, plain, []string{"X-Forwarded-Client-Cert: By=x;URI=midas://host" + here, "X-Forwarded-For: 127.0.0.1"}, 421, "ProxiedRequest"},
		"another server's host":           {w.robber(t, stranger), plain, nil, 0, "no connection"},
		"a certificate of its own making": {w.robber(t, selfMade(t, here)), plain, nil, 0, "no connection"},
		"a name that leads here":          {me, plain, []string{"Host: attacker.example"}, 421, "MisdirectedRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			status, code, token := c.by.ask(t, path, c.body, c.headers...)
			if status != c.status || code != c.code || token {
				t.Errorf("%d %s, token: %t; want %d %s", status, code, token, c.status, c.code)
			}
		})
	}
	// What a host has is good for hosts only.
	resp, err := me.client.Get(w.Endpoint + "/subscriptions?api-version=2022-12-01")
	check(t, err)
	if _ = resp.Body.Close(); resp.StatusCode != 401 {
		t.Errorf("ARM, by a host's certificate: %s", resp.Status)
	}
}

// midasOf is the folder of a host of another server.
func midasOf(t *testing.T) string {
	t.Helper()
	w := start(t)
	w.group(t, "rg")
	return w.enrolled(t, w.vm(t, "here", "system"))
}

// selfMade is a self-signed certificate with the content of a host's certificate.
func selfMade(t testing.TB, resource string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	tmpl := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	tmpl.URIs = append(tmpl.URIs, hostURI(resource))
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, &tmpl, key.Public(), key)
	check(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func hostURI(resource string) *url.URL {
	return &url.URL{Scheme: "midas", Host: "host", Path: resource, RawQuery: "host=x&made=1"}
}

func TestEnrollmentTokenCanBeUsedOnce(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	vm := w.vm(t, "web", "system")
	nobody := w.robber(t)
	enroll := func(token host.Secret) (int, string) {
		status, code, _ := nobody.ask(t, "/hosts/v1/enroll", object(t, map[string]any{"token": token, "request": certificateRequest(t)}))
		return status, code
	}
	token := w.enrollmentToken(t, vm)
	var mu sync.Mutex
	enrolled := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if status, _ := enroll(token); status == 200 {
				mu.Lock()
				enrolled++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if enrolled != 1 {
		t.Errorf("%d hosts were enrolled with one token", enrolled)
	}
	if status, code := enroll(token); status != 403 || code != "InvalidEnrolmentToken" {
		t.Errorf("once more: %d %s", status, code)
	}
	for name, guess := range map[string]host.Secret{"none": "", "a guess": "mhe_x", "a prefix": token[:20]} {
		if status, code := enroll(guess); status != 403 || code != "InvalidEnrolmentToken" {
			t.Errorf("%s: %d %s", name, status, code)
		}
	}
	// A request that cannot be granted leaves the token as it was.
	token = w.enrollmentToken(t, vm)
	if status, code, _ := nobody.ask(t, "/hosts/v1/enroll", object(t, map[string]any{"token": token, "request": "rubbish"})); status != 400 || code != "InvalidRequest" {
		t.Errorf("rubbish: %d %s", status, code)
	}
	if status, code := enroll(token); status != 200 {
		t.Errorf("after rubbish: %d %s", status, code)
	}
	// A token does not outlive the resource.
	token = w.enrollmentToken(t, vm)
	w.did(t, "DELETE", vm+machineVersion, "")
	w.vm(t, "web", "system")
	if status, code := enroll(token); status != 403 || code != "InvalidEnrolmentToken" {
		t.Errorf("for the resource before: %d %s", status, code)
	}
}

func TestEnrollingNeedsTheRight(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	app := w.identity(t, "rg", "app")
	a := w.agent(t, w.vm(t, "web", *app.ID))
	token, _ := imds(t, a, "https://management.azure.com/", "")
	vm := w.vm(t, "other", "system")
	path := vm + "/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01"
	if got := w.arm(t, "POST", path, "", token); got.status != 403 || got.text("error", "code") != "AuthorizationFailed" {
		t.Errorf("%d %v", got.status, got.body)
	}
	for what, got := range map[string]answer{
		"a machine that is not there": w.arm(t, "POST", w.machineID("none")+"/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", ""),
		"a group":                     w.arm(t, "POST", w.scope()+"/resourceGroups/rg/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", ""),
		"a host by name":              w.arm(t, "POST", vm+"/providers/Midas.Hosts/hosts/mine/enroll?api-version=2026-11-01", ""),
		"making a host":               w.arm(t, "PUT", vm+"/providers/Midas.Hosts/hosts/mine?api-version=2026-11-01", `{"location":"eastus"}`),
	} {
		if got.status < 400 || got.status >= 500 || got.text("token") != "" {
			t.Errorf("%s: %d %v", what, got.status, got.body)
		}
	}
}

// The certificate of a deleted machine is refused, even if a new machine has the same name.
func TestHostOfADeletedMachineIsRejected(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	vm := w.vm(t, "web", "system")
	me := w.robber(t, pair(t, w.enrolled(t, vm)))
	for _, remake := range []bool{false, true} {
		if w.did(t, "DELETE", vm+machineVersion, ""); remake {
			w.vm(t, "web", "system")
		}
		for _, path := range []string{"/hosts/v1/token", "/hosts/v1/renew", "/hosts/v1/attest"} {
			if status, code, token := me.ask(t, path, `{"audience":"a"}`); status != 403 || code != "UnknownHost" || token {
				t.Errorf("%s, made again: %t: %d %s", path, remake, status, code)
			}
		}
	}
	if hosts := w.did(t, "GET", vm+"/providers/Midas.Hosts/hosts?api-version=2026-11-01", "").body["value"].([]any); len(hosts) != 0 {
		t.Errorf("the new machine has the hosts of the old one: %v", hosts)
	}
}

func TestRenewalIsForTheSameHost(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	vm := w.vm(t, "web", "system")
	old := pair(t, w.enrolled(t, vm))
	me := w.robber(t, old)
	if status, code, _ := me.ask(t, "/hosts/v1/renew", object(t, map[string]any{"request": certificateRequest(t)})); status != 200 {
		t.Errorf("%d %s", status, code)
	}
	if status, code, _ := me.ask(t, "/hosts/v1/renew", object(t, map[string]any{"request": certificateRequest(t), "resource": w.machineID("x")})); status != 400 {
		t.Errorf("another resource: %d %s", status, code)
	}
}

// raw sends bytes to an agent and gives all that it answers.
func rawMetadata(t testing.TB, a *agent.Server, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(a.URLs()[0], "http://"))
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = io.WriteString(conn, request)
	check(t, err)
	var all strings.Builder
	in := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return all.String()
		}
		body, _ := io.ReadAll(resp.Body)
		fmt.Fprintf(&all, "%d %s\n", resp.StatusCode, body)
	}
}

func TestMetadataRefusesForgedRequests(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	a := w.agent(t, w.vm(t, "web", "system"))
	const target = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=a"
	end := "Connection: close\r\n\r\n"
	if got := rawMetadata(t, a, "GET "+target+" HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n"+end); !strings.Contains(got, "access_token") {
		t.Fatalf("the plain request: %s", got)
	}
	for name, request := range map[string]string{
		"a page whose name leads here":       "GET " + target + " HTTP/1.1\r\nHost: attacker.example\r\nMetadata: true\r\n" + end,
		"its name in the request line":       "GET http://attacker.example" + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n" + end,
		"two hosts":                          "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nHost: attacker.example\r\nMetadata: true\r\n" + end,
		"no host":                            "GET " + target + " HTTP/1.0\r\nMetadata: true\r\n\r\n",
		"a host with a user":                 "GET " + target + " HTTP/1.1\r\nHost: localhost@attacker.example\r\nMetadata: true\r\n" + end,
		"a proxy that tells":                 "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nX-Forwarded-For: 203.0.113.9\r\n" + end,
		"a proxy that tells, in small":       "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nx-forwarded-for: 127.0.0.1\r\n" + end,
		"a form":                             "POST " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n" + end + "Metadata: true",
		"a header in the body":               "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 14\r\n" + end + "Metadata: true",
		"a space before the colon":           "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata : true\r\n" + end,
		"a folded line":                      "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nX-A: b\r\n Metadata: true\r\n" + end,
		"a line break in the path":           "GET " + target + "%0d%0aMetadata:%20true HTTP/1.1\r\nHost: 169.254.169.254\r\n" + end,
		"a header of another name":           "GET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Metadata: true\r\nMetadata-Flavor: Google\r\n" + end,
		"a request behind two lengths":       "POST /x HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdeGET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n" + end,
		"a request behind a chunked request": "POST /x HTTP/1.1\r\nHost: 169.254.169.254\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET " + target + " HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n" + end,
	} {
		t.Run(name, func(t *testing.T) {
			got := rawMetadata(t, a, request)
			if strings.Contains(got, "access_token") || strings.HasPrefix(got, "5") {
				t.Errorf("%s", got)
			}
		})
	}
}

// Only the agent's user can read its files.
func TestAgentFilesAreReadableByTheOwnerOnly(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	state := w.enrolled(t, w.vm(t, "web", "system"))
	run(t, state, "imds", "app-service", "service-fabric")
	for _, name := range []string{"host.json", "secret", "service-fabric.pem"} {
		info, err := os.Stat(filepath.Join(state, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

// A host that opens many requests for its state keeps at most a few of them open, and a change answers those.
func TestHostWaitsWithAFewRequests(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	id := w.vm(t, "here")
	me := w.robber(t, pair(t, w.enrolled(t, id)))
	wait := func(after string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", me.Endpoint+"/hosts/v1/state?after="+after, nil)
		check(t, err)
		resp, err := me.client.Do(req)
		check(t, err)
		defer resp.Body.Close()
		var state struct {
			Version string `json:"version"`
		}
		if resp.StatusCode == 200 {
			check(t, json.NewDecoder(resp.Body).Decode(&state))
		}
		return resp.StatusCode, state.Version
	}
	_, version := wait("")
	answers := make(chan int, 30)
	for range 30 {
		go func() { status, _ := wait(version); answers <- status }()
	}
	for range 27 {
		if status := <-answers; status != 204 {
			t.Errorf("one too many got %d", status)
		}
	}
	select {
	case status := <-answers:
		t.Errorf("more than 27 of 30 were answered early: %d", status)
	case <-time.After(200 * time.Millisecond):
	}
	w.did(t, "PATCH", id+machineVersion, `{"tags":{"a":"b"}}`)
	for range 3 {
		if status := <-answers; status != 200 {
			t.Errorf("one that waited got %d after a change", status)
		}
	}
}
