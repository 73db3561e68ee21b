package agent

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"midas/internal/arm"
	"midas/internal/atomicfile"
	"midas/internal/host"
)

// Credential is a host's client certificate with its key, and the server for which it is.
type Credential struct {
	Server      string      `json:"server"`          // https://HOST[:PORT], or several of them, separated by commas; the first is the preferred one
	Roots       string      `json:"roots,omitempty"` // CA certificates to trust for the server, in PEM; empty for those of the system
	Resource    string      `json:"resource"`
	Certificate string      `json:"certificate"` // in PEM
	Key         host.Secret `json:"key"`         // in PEM

	// The certificate and the key from before the last renewal. They are used while the newer certificate
	// is not valid yet, which happens if it was renewed under a clock that was ahead.
	EarlierCertificate string      `json:"earlierCertificate,omitempty"`
	EarlierKey         host.Secret `json:"earlierKey,omitempty"`
}

// ReadCredential reads a file that Write has written.
func ReadCredential(path string) (c Credential, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Credential{}, fmt.Errorf("read the host's credential: %w", err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return Credential{}, fmt.Errorf("read the host's credential %s: %w", path, err)
	}
	return c, nil
}

// Write writes the credential to a file that only its owner can read. Certificate and key are in one
// file, so that they always belong together.
func (c Credential) Write(path string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode the host's credential: %w", err)
	}
	return atomicfile.Write(path, append(data, '\n'), 0o600)
}

// pairs are the certificates with their keys, the newest first; none before enrollment.
func (c Credential) pairs() (all []tls.Certificate, err error) {
	if c.Certificate == "" {
		return nil, nil
	}
	newest, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err != nil {
		return nil, fmt.Errorf("the host's credential is damaged: %w", err)
	}
	all = append(all, newest)
	if earlier, err := tls.X509KeyPair([]byte(c.EarlierCertificate), []byte(c.EarlierKey)); err == nil {
		all = append(all, earlier) // a damaged earlier certificate is ignored
	}
	return all, nil
}

// renewed returns the credential with another certificate. The certificate in use becomes the earlier one.
func (c Credential) renewed(used tls.Certificate, certificate string, key host.Secret) Credential {
	newest, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.Key))
	if err == nil && newest.Leaf.Equal(used.Leaf) {
		c.EarlierCertificate, c.EarlierKey = c.Certificate, c.Key
	}
	c.Certificate, c.Key = certificate, key
	return c
}

// roots are the CA certificates to trust for the server; nil means those of the system.
func (c Credential) roots() (*x509.CertPool, error) {
	if c.Roots == "" {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(c.Roots)) {
		return nil, errors.New("the file of trusted certificates contains no certificate")
	}
	return pool, nil
}

// Enrollment is what a host needs to get its first credential.
type Enrollment struct {
	Server   string // as in Credential
	Roots    string // CA certificates to trust, in PEM; empty for those of the system
	Token    host.Secret
	Resource string // the expected resource; empty accepts the resource of the token
}

// Enroll makes a key and has the server certify it.
func Enroll(ctx context.Context, e Enrollment) (Credential, error) {
	request, key, err := newRequest()
	if err != nil {
		return Credential{}, fmt.Errorf("enroll: %w", err)
	}
	return e.with(ctx, request, key)
}

// An enrollment without a clear answer is repeated with the same key: if the server has carried it out, it answers for
// the same host.
const (
	enrollAttempts = 3
	enrollPause    = time.Second
)

// with has the server certify a key.
func (e Enrollment) with(ctx context.Context, request string, key host.Secret) (Credential, error) {
	servers, err := ParseServers(e.Server)
	if err != nil {
		return Credential{}, fmt.Errorf("enroll: %w", err)
	}
	var answer host.EnrollAnswer
	for attempt := range enrollAttempts {
		answer, err = e.ask(ctx, slices.Concat(servers[attempt%len(servers):], servers[:attempt%len(servers)]), request)
		if !unclear(err) || attempt == enrollAttempts-1 {
			break
		}
		select {
		case <-ctx.Done():
			return Credential{}, fmt.Errorf("enroll: %w", ctx.Err())
		case <-time.After(enrollPause):
		}
	}
	if err != nil {
		return Credential{}, fmt.Errorf("enroll: %w", err)
	}
	if e.Resource != "" && !arm.SameName(strings.TrimSuffix(e.Resource, "/"), answer.Resource) {
		return Credential{}, fmt.Errorf("enroll: the token is for %s, not for %s", answer.Resource, e.Resource)
	}
	c := Credential{Server: strings.Join(servers, ","), Roots: e.Roots, Resource: answer.Resource, Certificate: answer.Certificate, Key: key}
	if _, err := c.pairs(); err != nil {
		return Credential{}, fmt.Errorf("enroll: %w", err)
	}
	return c, nil
}

// unclear reports whether an error of ask leaves open whether the server has carried out the request. One that is
// unavailable may have, too.
func unclear(err error) bool {
	return errors.Is(err, host.ErrAway) && (!errors.Is(err, errNotCarriedOut) || errors.Is(err, errForNow))
}

// ask sends one request to the first of the servers that answers.
func (e Enrollment) ask(ctx context.Context, servers []string, request string) (answer host.EnrollAnswer, err error) {
	l, err := newLink(Credential{Server: strings.Join(servers, ","), Roots: e.Roots}, linkOptions{now: time.Now, log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return answer, err
	}
	defer l.close()
	// An earlier server refuses a request that another one has carried out, so it is sent to one at a time.
	return post[host.EnrollAnswer](ctx, l, call{path: host.PathEnroll, timeout: askTimeout, once: true}, host.EnrollRequest{Token: e.Token, Request: request})
}

// newRequest makes a key and a certificate request for it, both in PEM. The server decides the content of
// the certificate, so the request has no subject and no extensions.
func newRequest() (request string, key host.Secret, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make the host's key: %w", err)
	}
	return requestFor(private)
}

// requestFor is newRequest for an existing key.
func requestFor(private crypto.Signer) (request string, key host.Secret, err error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return "", "", fmt.Errorf("make a certificate request: %w", err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("encode the host's key: %w", err)
	}
	request = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	return request, host.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})), nil
}
