package bindingproxy_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/bindingproxy"
	"midas/internal/bindingproxy/clustertest"
)

const (
	tenant   = "11111111-1111-4111-8111-111111111111"
	clientID = "aaaaaaaa-0000-4000-8000-00000000000a"
	other    = "bbbbbbbb-0000-4000-8000-00000000000b"
	scope    = "https://management.azure.com/.default"

	exchangeAudience = "api://AzureADTokenExchange"
	jwtBearer        = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	sni              = "proxy.midas.example"
)

// pod is the workload of most tests. It may use clientID.
var pod = clustertest.Pod{Namespace: "shop", Account: "web", Name: "web-7c9d"}

// own is the proxy's own pod.
var own = clustertest.Pod{Namespace: "midas", Account: "identity-binding-proxy", Name: "identity-binding-proxy-1"}

const proxyRoles = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: identity-binding-proxy}
rules:
- {apiGroups: [authentication.k8s.io], resources: [tokenreviews], verbs: [create]}
- {apiGroups: [authorization.k8s.io], resources: [subjectaccessreviews], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: identity-binding-proxy}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: identity-binding-proxy}
subjects: [{kind: ServiceAccount, name: identity-binding-proxy, namespace: midas}]
`

// world is a proxy between a cluster and a token endpoint.
type world struct {
	cluster  *clustertest.Cluster
	endpoint *endpoint
	cfg      bindingproxy.Config
	server   *bindingproxy.Server
	client   *http.Client
	log      *safeBuffer
	ca       string // file with the proxy's certificate
}

// endpoint is a token endpoint that remembers its requests.
type endpoint struct {
	*httptest.Server
	file string // of its certificate

	mu     sync.Mutex
	seen   []seen
	answer http.HandlerFunc // nil: a token
}

type seen struct {
	path   string
	header http.Header
	form   url.Values
}

func startEndpoint(t *testing.T) *endpoint {
	e := &endpoint{file: filepath.Join(t.TempDir(), "midas.crt")}
	e.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		e.seen = append(e.seen, seen{r.URL.Path, r.Header, form})
		answer := e.answer
		e.mu.Unlock()
		if answer != nil {
			r.Body = io.NopCloser(bytes.NewReader(body))
			answer(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"granted.to.`+form.Get("client_id")+`"}`)
	}))
	e.Config.ErrorLog = log.New(io.Discard, "", 0)
	e.EnableHTTP2 = true
	e.StartTLS()
	t.Cleanup(e.Close)
	write(t, e.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: e.Certificate().Raw})))
	return e
}

func (e *endpoint) requests() []seen {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]seen(nil), e.seen...)
}

func (e *endpoint) answers(h http.HandlerFunc) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = h
}

// start runs a proxy until the test ends.
func start(t *testing.T, change ...func(*bindingproxy.Config)) *world {
	t.Helper()
	w := &world{cluster: clustertest.Start(t), endpoint: startEndpoint(t), log: &safeBuffer{}}
	w.cluster.Apply(proxyRoles)
	w.cluster.Allow(pod.Namespace, pod.Account, clientID)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		write(t, path, text)
		return path
	}
	certificate, key := selfSigned(t, sni)
	w.ca = file("tls.crt", certificate)
	w.cfg = bindingproxy.Config{
		Authority: w.endpoint.URL, AuthorityCA: w.endpoint.file, Tenants: []string{tenant},
		Assertion: file("token", w.cluster.Token(own, time.Hour, exchangeAudience)),
		APIServer: w.cluster.URL, APIServerCA: w.cluster.CAFile, APIServerToken: file("api-token", w.cluster.Token(own, time.Hour, clustertest.APIAudience)),
		Listen: "127.0.0.1:0", Certificate: w.ca, Key: file("tls.key", key),
		Log: slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&w.cfg)
	}
	server, err := bindingproxy.Open(t.Context(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w.server, w.client = server, clientFor(t, certificate)
	return w
}

// clientFor makes a client that trusts one certificate and speaks HTTP/2 where it can.
func clientFor(t *testing.T, certificate string) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(certificate)) {
		t.Fatal("no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: sni}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// form is the token request of an SDK.
func (w *world) form() url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "scope": {scope + " openid offline_access profile"}, "client_info": {"1"},
		"client_assertion_type": {jwtBearer}, "client_assertion": {w.token()},
	}
}

// token is the pod's service-account token.
func (w *world) token() string { return w.cluster.Token(pod, time.Hour, bindingproxy.Audience) }

// reply is an answer of the proxy.
type reply struct {
	status int
	header http.Header
	proto  int
	body   struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
		Issuer      string `json:"issuer"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
	}
}

func (r reply) number() int {
	if len(r.body.Codes) == 0 {
		return 0
	}
	return r.body.Codes[0]
}

// post sends a token request.
func (w *world) post(t *testing.T, form url.Values, change ...func(*http.Request)) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL()+"/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range change {
		c(r)
	}
	return w.send(t, r)
}

func (w *world) send(t *testing.T, r *http.Request) (got reply) {
	t.Helper()
	resp, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got.status, got.header, got.proto = resp.StatusCode, resp.Header, resp.ProtoMajor
	if err := json.Unmarshal(body, &got.body); err != nil {
		t.Errorf("%d is not JSON: %s", resp.StatusCode, body)
	}
	return got
}

// selfSigned makes a certificate for names and for 127.0.0.1.
func selfSigned(t *testing.T, names ...string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "proxy"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// safeBuffer is a buffer that several goroutines write.
type safeBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// until waits until a condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("%s did not come", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
