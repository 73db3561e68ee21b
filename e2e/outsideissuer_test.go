//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/midastest"
)

// outsideIssuer is an unmodified OpenID provider of zitadel/oidc in a process of its own.
type outsideIssuer struct {
	binary, cert, key string
	url               string
	process           *exec.Cmd
}

func newOutsideIssuer(t *testing.T) *outsideIssuer {
	t.Helper()
	dir := t.TempDir()
	i := &outsideIssuer{binary: filepath.Join(dir, "issuer"), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", i.binary, ".")
	build.Dir = "outsideissuer"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the issuer: %v\n%s", err, out)
	}
	i.certify(t)
	i.start(t, "127.0.0.1:0")
	return i
}

// certify makes the certificate of the issuer's server.
func (i *outsideIssuer) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{i.cert: {Type: "CERTIFICATE", Bytes: der}, i.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts the process. Each has a new signing key.
func (i *outsideIssuer) start(t *testing.T, address string) {
	t.Helper()
	i.process = exec.CommandContext(t.Context(), i.binary, "-listen", address, "-cert", i.cert, "-key", i.key)
	out, err := i.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := i.process.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	i.url = strings.TrimSpace(line)
	t.Cleanup(func() { i.stop() })
}

func (i *outsideIssuer) stop() {
	_ = i.process.Process.Kill()
	_ = i.process.Wait()
}

// token is a token of the issuer for its service user, with the audience of that user.
func (i *outsideIssuer) token(t *testing.T) string {
	t.Helper()
	roots := x509.NewCertPool()
	data, err := os.ReadFile(i.cert)
	if err != nil || !roots.AppendCertsFromPEM(data) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"sid1"}, "client_secret": {"verysecret"}, "scope": {"openid"}}
	res, err := client.PostForm(i.url+"/oauth/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.AccessToken == "" {
		t.Fatalf("%s: %v", res.Status, err)
	}
	return got.AccessToken
}

// trusting is a Midas with an identity whose federated credential names the issuer.
type trusting struct {
	*midastest.Server
	clientID string
}

func newTrusting(t *testing.T, issuer string, settings ...midas.IssuerConfig) *trusting {
	t.Helper()
	m := &trusting{Server: midastest.Start(t, midastest.With(func(c *midas.Config) { c.Issuers = settings }))}
	group := "/subscriptions/" + m.SubscriptionID + "/resourceGroups/rg"
	m.put(t, group+"?api-version=2021-04-01", `{"location":"eastus"}`)
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	made := m.put(t, identity+"?api-version=2023-01-31", `{"location":"eastus"}`)
	m.clientID, _ = made["properties"].(map[string]any)["clientId"].(string)
	m.put(t, identity+"/federatedIdentityCredentials/outside?api-version=2023-01-31",
		fmt.Sprintf(`{"properties":{"issuer":%q,"subject":"sid1","audiences":["sid1"]}}`, issuer))
	return m
}

func (m *trusting) put(t *testing.T, path, body string) (made map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, m.Endpoint+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+m.Token(t, "https://management.azure.com"))
	req.Header.Set("Content-Type", "application/json")
	res, err := m.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode > 201 || json.NewDecoder(bytes.NewReader(data)).Decode(&made) != nil {
		t.Fatalf("%s: %s %s %v", path, res.Status, data, err)
	}
	return made
}

// exchange returns the error code of an exchange, or 0 if there is a token.
func (m *trusting) exchange(t *testing.T, assertion string) int {
	t.Helper()
	res, err := m.Client().PostForm(m.Endpoint+"/"+m.TenantID+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {m.clientID}, "scope": {"https://management.azure.com/.default"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct {
		AccessToken string `json:"access_token"`
		Codes       []int  `json:"error_codes"`
	}
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.AccessToken != "" {
		return 0
	}
	return got.Codes[0]
}

// An issuer that knows nothing of Midas is trusted, ends, and comes back with another key.
func TestIndependentIssuer(t *testing.T) {
	issuer := newOutsideIssuer(t)
	address := strings.TrimPrefix(issuer.url, "https://")
	m := newTrusting(t, issuer.url, midas.IssuerConfig{Issuer: issuer.url, CA: issuer.cert, Private: true})
	old := issuer.token(t)
	if code := m.exchange(t, old); code != 0 {
		t.Fatalf("AADSTS%d", code)
	}
	if code := newTrusting(t, issuer.url).exchange(t, old); code != 501661 {
		t.Errorf("an issuer at a private address that is not listed: AADSTS%d", code)
	}
	issuer.stop()
	if code := m.exchange(t, old); code != 0 {
		t.Errorf("after the end of the issuer: AADSTS%d", code)
	}
	issuer.start(t, address)
	next := issuer.token(t)
	for code := m.exchange(t, next); code != 0; code = m.exchange(t, next) { // until the keys are fetched again
		if code != 7000272 {
			t.Fatalf("a new key: AADSTS%d", code)
		}
		time.Sleep(time.Second)
	}
	if code := m.exchange(t, old); code != 7000272 {
		t.Errorf("the key of before: AADSTS%d", code)
	}
}
