package bindingproxy

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Limits of what the proxy reads from the servers that it asks, in bytes.
const (
	maxAnswer        = 256 << 10
	maxAnswerHeaders = 64 << 10
)

// upstream is a server that the proxy asks: Midas or the Kubernetes API server. Only its own CA certificates are
// trusted if it has a file of them. The file is read for each request, so new certificates count at once.
type upstream struct {
	name   string // for errors
	origin *url.URL
	file   string        // of the CA certificates; empty: those of the system
	silent time.Duration // after which a connection on which nothing comes is tested

	mu     sync.Mutex
	pem    []byte // from which client was made
	client *http.Client
}

// answer is what an upstream has answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// newUpstream makes an upstream whose requests have at most timeout. It fails if the file has no certificates.
func newUpstream(name, address, file string, timeout time.Duration) (*upstream, error) {
	u, err := origin(name, address)
	if err != nil {
		return nil, err
	}
	up := &upstream{name: name, origin: u, file: file, silent: timeout / 4}
	_, err = up.current()
	return up, err
}

// do sends a request and reads its answer. It does not follow redirects. Its errors contain neither the request's
// body nor its headers.
func (u *upstream) do(r *http.Request) (answer, error) {
	client, err := u.current()
	if err != nil {
		return answer{}, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("ask %s: %w", u.name, err)
	}
	defer func() { _ = resp.Body.Close() }() // the answer was read, or is not used
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("read the answer of %s: %w", u.name, err)
	case len(body) > maxAnswer:
		return answer{}, fmt.Errorf("the answer of %s has more than %d bytes", u.name, maxAnswer)
	}
	return answer{resp.StatusCode, resp.Header, body}, nil
}

// current returns the client for the CA certificates that the file has now. While the file is unreadable or has
// no certificate, as it may be during a change, it returns the client for the earlier ones.
func (u *upstream) current() (*http.Client, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.file == "" {
		if u.client == nil {
			u.client = newClient(nil, u.silent)
		}
		return u.client, nil
	}
	pem, err := os.ReadFile(u.file)
	if err == nil && u.client != nil && bytes.Equal(pem, u.pem) {
		return u.client, nil
	}
	roots := x509.NewCertPool()
	if err == nil && !roots.AppendCertsFromPEM(pem) {
		err = errors.New("the file has no certificate")
	}
	switch {
	case err != nil && u.client != nil:
		return u.client, nil
	case err != nil:
		return nil, fmt.Errorf("read the CA certificates of %s from %s: %w", u.name, u.file, err)
	}
	u.closeIdle()
	u.pem, u.client = pem, newClient(roots, u.silent)
	return u.client, nil
}

// Close closes the connections that are not in use. It implements io.Closer.
func (u *upstream) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closeIdle()
	return nil
}

func (u *upstream) closeIdle() {
	if u.client != nil {
		u.client.CloseIdleConnections()
	}
}

// newClient makes a client that uses no proxy, because requests carry tokens, and follows no redirect. It tests an
// HTTP/2 connection on which nothing comes. All requests use that one connection, so without the test all would fail
// for minutes after the machine at its other end is gone.
func newClient(roots *x509.CertPool, silent time.Duration) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: DefaultTimeout}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			ForceAttemptHTTP2:      true,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: silent, PingTimeout: silent},
			DisableCompression:     true,
			MaxIdleConnsPerHost:    slots,
			MaxConnsPerHost:        slots,
			MaxResponseHeaderBytes: maxAnswerHeaders,
			IdleConnTimeout:        time.Minute,
			TLSHandshakeTimeout:    DefaultTimeout,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
