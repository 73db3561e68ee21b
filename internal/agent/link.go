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
	"net/http"
	"net/url"
	"time"

	"midas/internal/host"
)

const (
	// askTimeout bounds one request. Workloads wait for it.
	askTimeout = 10 * time.Second
	// watchTimeout is longer than the server keeps a request open.
	watchTimeout = 45 * time.Second
	// After pingAfter without a word the server is asked for a sign of life, which it has pingTimeout
	// to give.
	pingAfter   = 10 * time.Second
	pingTimeout = 3 * time.Second

	maxAnswer = 4 << 20
)

// link is the way to the server, under one credential. Safe for concurrent use.
type link struct {
	server string
	leaf   *x509.Certificate // nil before enrolment
	client *http.Client
}

func newLink(c Credential) (*link, error) {
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	l := &link{server: c.Server}
	if c.Certificate != "" {
		pair, err := c.pair()
		if err != nil {
			return nil, err
		}
		l.leaf = pair.Leaf
		// It is shown to whoever asks; which authorities the server names is not the question.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	l.client = &http.Client{
		Transport: &http.Transport{
			// No proxy: who is at the other end is settled between the two.
			TLSClientConfig: config, ForceAttemptHTTP2: true, TLSHandshakeTimeout: askTimeout,
			IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
			// A connection that somebody between the two has dropped would otherwise look like a
			// server that has nothing to tell.
			HTTP2: &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l, nil
}

func (l *link) close() { l.client.CloseIdleConnections() }

// post asks for something and decodes the answer.
func (l *link) post(ctx context.Context, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
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

// state waits for a state other than the one known; nil means that it has not changed.
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

// do sends a request. There is something to read unless the server says 204. A server that cannot be
// reached, or has a fault of its own, is away.
func (l *link) do(req *http.Request, out any) (content bool, err error) {
	resp, err := l.client.Do(req)
	if err != nil {
		return false, fmt.Errorf("%w: %w", host.ErrAway, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %w", host.ErrAway, err)
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

// refusal finds the reason that the server gives.
func refusal(resp *http.Response, data []byte) error {
	var p host.Problem
	if err := json.Unmarshal(data, &p); err != nil || p.Error.Code == "" {
		return fmt.Errorf("%w: %s from what answers there", host.ErrAway, resp.Status)
	}
	if reason := host.Reason(p.Error.Code); reason != nil {
		return fmt.Errorf("%w: %s", reason, p.Error.Message)
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %s: %s", host.ErrAway, p.Error.Code, p.Error.Message)
	}
	return errors.New(p.Error.Code + ": " + p.Error.Message)
}
