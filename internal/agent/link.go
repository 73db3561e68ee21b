package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"midas/internal/clock"
	"midas/internal/host"
	"midas/internal/trace"
)

const (
	// tokenTimeout bounds a token request, because a workload may be waiting for it. askTimeout bounds all
	// other requests except the one that watchTimeout bounds.
	tokenTimeout = 5 * time.Second
	askTimeout   = 10 * time.Second
	// watchTimeout bounds a request for the next state. It is longer than the server keeps one open.
	watchTimeout = 45 * time.Second
	// dialTimeout bounds a connection attempt. The kernel repeats one only after 1, 3, 7, 15, 31 and 63
	// seconds, so the agent would notice late that the network works again.
	dialTimeout = 3 * time.Second
	// After pingAfter without a frame the client sends an HTTP/2 ping, which the server must answer within
	// pingTimeout.
	pingAfter   = 10 * time.Second
	pingTimeout = 3 * time.Second

	maxAnswer = 4 << 20
)

// link sends requests to the server under one credential. It is safe for concurrent use.
type link struct {
	server string
	now    func() time.Time
	pairs  []tls.Certificate // the newest first; empty before enrollment
	config *tls.Config
	client atomic.Pointer[http.Client]
}

func newLink(c Credential, now func() time.Time) (*link, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	l := &link{server: c.Server, now: now, config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}}
	if l.pairs, err = c.pairs(); err != nil {
		return nil, err
	}
	if len(l.pairs) > 0 {
		// The certificate is sent to every server, whatever authorities the server accepts.
		l.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.pair(), nil }
	}
	l.client.Store(l.newClient())
	return l, nil
}

// newClient makes a client that has no connection yet.
func (l *link) newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			// No proxy: TLS has to end at the server, which takes the host from the client certificate.
			TLSClientConfig: l.config.Clone(), ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout: tokenTimeout, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
			// A connection whose packets are dropped would otherwise look like a server that has no
			// change to report.
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// pair is the certificate to use now. It is the newest one, unless that is not valid and an earlier one
// is: both clocks may have been wrong when it was renewed.
func (l *link) pair() *tls.Certificate {
	for i := range l.pairs {
		if valid(l.pairs[i].Leaf, l.now()) {
			return &l.pairs[i]
		}
	}
	return &l.pairs[0]
}

// leaf is the certificate to use now, or nil before enrollment.
func (l *link) leaf() *x509.Certificate {
	if len(l.pairs) == 0 {
		return nil
	}
	return l.pair().Leaf
}

// valid reports whether a certificate is valid. Like the server, it tolerates clock.Skew at the start of the
// validity.
func valid(leaf *x509.Certificate, now time.Time) bool {
	return clock.Begun(leaf.NotBefore, now) && !now.After(leaf.NotAfter)
}

func (l *link) close() { l.client.Load().CloseIdleConnections() }

// replace makes the next requests use new connections. If a request was not answered in time, the
// connection may be dead while the server works, and HTTP/2 sends all requests over one connection.
func (l *link) replace(silent *http.Client) {
	if l.client.CompareAndSwap(silent, l.newClient()) {
		silent.CloseIdleConnections()
	}
}

// post sends a POST request with a JSON body and decodes the answer. It waits at most timeout.
func (l *link) post(ctx context.Context, timeout time.Duration, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.server+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = l.do(req, out)
	return err
}

// state waits for a state with another version than known. It returns nil if the state has not changed.
func (l *link) state(ctx context.Context, known string) (*host.State, error) {
	ctx, cancel := context.WithTimeout(ctx, watchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server+host.PathState+"?after="+url.QueryEscape(known), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	var state host.State
	changed, err := l.do(req, &state)
	if err != nil || !changed {
		return nil, err
	}
	return &state, nil
}

// do sends a request and decodes the answer into out, unless the status is 204. The error is host.ErrAway
// if the server cannot be reached or has failed.
func (l *link) do(req *http.Request, out any) (content bool, err error) {
	req, span := trace.Request(req, req.URL.Path) // the paths are those of package host
	defer func() {
		span.Fail(reasonOf(err))
		span.End()
	}()
	client := l.client.Load()
	resp, err := client.Do(req)
	if err != nil {
		return false, l.away(client, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return false, l.away(client, err)
	case resp.StatusCode == http.StatusNoContent:
		return false, nil
	case resp.StatusCode != http.StatusOK:
		return false, refusal(resp, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return false, fmt.Errorf("%w: its answer cannot be read: %w", host.ErrAway, err)
	}
	return true, nil
}

// reasonOf names the failure of a request for its span.
func reasonOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, host.ErrAway):
		return "away"
	}
	return "refused"
}

// away wraps the error of a failed request in host.ErrAway. After a timeout it replaces the connections.
func (l *link) away(client *http.Client, err error) error {
	var timeout net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		l.replace(client)
	}
	if advice := l.advice(err); advice != "" {
		return fmt.Errorf("%w: %w; %s", host.ErrAway, err, advice)
	}
	return fmt.Errorf("%w: %w", host.ErrAway, err)
}

// advice says what to do about a server whose certificate was refused. It returns "" for all other errors.
func (l *link) advice(err error) string {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.As(err, &authority):
		return "enroll with --ca FILE, where FILE is the CA certificate that \"midas ca print\" prints on the server"
	case errors.As(err, &name):
		return "use a name of the certificate, or add this one to \"names\" in the configuration of the server"
	}
	return ""
}

// refusal returns the error for an answer other than 200 and 204.
func refusal(resp *http.Response, data []byte) error {
	var p host.Problem
	if err := json.Unmarshal(data, &p); err != nil || p.Error.Code == "" {
		return fmt.Errorf("%w: %s from a program that is not the server", host.ErrAway, resp.Status)
	}
	if reason := host.Reason(p.Error.Code); reason != nil {
		return fmt.Errorf("%w: %s", reason, p.Error.Message)
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %s: %s", host.ErrAway, p.Error.Code, p.Error.Message)
	}
	return errors.New(p.Error.Code + ": " + p.Error.Message)
}
