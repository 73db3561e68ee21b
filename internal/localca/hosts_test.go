package localca_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"midas/internal/localca"
)

// request returns a certificate request for more names than a host may have.
func request(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "another host"}, DNSNames: []string{"localhost"},
		URIs: []*url.URL{{Scheme: "midas", Path: "/another"}},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestHostCertificateIgnoresTheRequestedNames(t *testing.T) {
	dir := t.TempDir()
	ca, err := localca.OpenHosts(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	key := ecKey(t, elliptic.P256())
	subject := &url.URL{Scheme: "midas", Host: "host", Path: "/subscriptions/s/resourceGroups/ü g", RawQuery: "id=1"}
	end := time.Now().Add(time.Hour).Truncate(time.Second)
	encoded, err := ca.Certify(request(t, key), "h1", subject, end)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(encoded)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Subject.CommonName != "h1" || len(cert.DNSNames) != 0 || len(cert.URIs) != 1 || cert.URIs[0].String() != subject.String() ||
		cert.IsCA || !cert.NotAfter.Equal(end) || !key.PublicKey.Equal(cert.PublicKey) {
		t.Errorf("certificate for %v %v %v until %v", cert.Subject, cert.DNSNames, cert.URIs, cert.NotAfter)
	}
	for usage, good := range map[x509.ExtKeyUsage]bool{x509.ExtKeyUsageClientAuth: true, x509.ExtKeyUsageServerAuth: false} {
		_, err := cert.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{usage}})
		if (err == nil) != good {
			t.Errorf("usage %v: %v", usage, err)
		}
	}
	again, err := localca.OpenHosts(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: again.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("after another open: %v", err)
	}
}

// The stolen key of the host authority cannot certify a server.
func TestHostAuthorityCannotCertifyServers(t *testing.T) {
	dir := t.TempDir()
	ca, err := localca.OpenHosts(dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	stolen := steal(t, dir, &x509.Certificate{DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	if _, err := stolen.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: "localhost"}); err == nil {
		t.Error("a certificate for a server is valid")
	}
}

func TestBadRequestsAreRefused(t *testing.T) {
	ca, err := localca.OpenHosts(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0") // otherwise Go refuses to generate a key of 1024 bits
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := request(t, ecKey(t, elliptic.P256()))
	block, _ := pem.Decode(good)
	forged := append([]byte(nil), block.Bytes...)
	forged[len(forged)-1] ^= 1
	for name, csr := range map[string][]byte{
		"nothing": nil, "rubbish": []byte("rubbish"), "two": append(append([]byte(nil), good...), good...),
		"another block": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: block.Bytes}),
		"bad signature": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: forged}),
		"weak key":      request(t, weak), "odd curve": request(t, ecKey(t, elliptic.P224())),
	} {
		if _, err := ca.Certify(csr, "h", &url.URL{Scheme: "midas", Path: "/"}, time.Now().Add(time.Hour)); !errors.Is(err, localca.ErrRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignedDocumentIsVerified(t *testing.T) {
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	signer := ca.Signer()
	signed, err := signer.Sign([]byte(`{"nonce":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := pkcs7.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.VerifyWithChain(fileRoots(t, ca.Path())); err != nil || string(p.Content) != `{"nonce":"1"}` {
		t.Errorf("%s: %v", p.Content, err)
	}
	if by := p.GetOnlySigner(); by == nil || len(by.DNSNames) > 0 || by.Subject.CommonName != "Midas attested data" {
		t.Errorf("signed by %v", by)
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	file := filepath.Join(dir, "signed")
	if err := os.WriteFile(file, signed, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), openssl, "cms", "-verify", "-in", file, "-inform", "DER", "-CAfile", ca.Path(), "-purpose", "any").CombinedOutput()
	if err != nil {
		t.Errorf("openssl: %s", out)
	}
}

func TestSignerRenewsItsCertificate(t *testing.T) {
	now := time.Now()
	ca := open(t, t.TempDir(), func() time.Time { return now })
	signer := ca.Signer()
	serial := func() string {
		signed, err := signer.Sign(nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pkcs7.Parse(signed)
		if err != nil {
			t.Fatal(err)
		}
		return p.Certificates[0].SerialNumber.String()
	}
	first := serial()
	if serial() != first {
		t.Error("two documents were signed with different certificates")
	}
	if now = now.Add(61 * day); serial() == first {
		t.Error("not renewed in its last 30 days")
	}
}

func signerOf(t *testing.T, signed []byte) *x509.Certificate {
	t.Helper()
	p, err := pkcs7.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return p.GetOnlySigner()
}
