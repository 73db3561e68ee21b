package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/clock"
	"midas/internal/host"
	"midas/internal/localca"
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
	// maxHeader bounds the header of an answer, in bytes: the addresses of a hundred servers have less.
	maxHeader = 64 << 10
)

// link sends requests to the servers of an installation under one credential. It is safe for concurrent use.
type link struct {
	now        func() time.Time
	log        *slog.Logger
	learn      func(learnt)      // gets what servers say about the other replicas
	pairs      []tls.Certificate // the newest first; empty before enrollment
	config     *tls.Config
	named      []string    // the servers that the operator has named
	configured []*upstream // the same

	mu     sync.Mutex
	learnt []*upstream
	name   string // learnt.Name of these

	ctx context.Context // of probes; it belongs to the link, not to a request
	end context.CancelFunc
}

// linkOptions are what links of one agent have in common.
type linkOptions struct {
	now   func() time.Time
	log   *slog.Logger
	learn func(learnt) // nil: nothing is learnt
}

func newLink(c Credential, o linkOptions) (*link, error) {
	named, err := ParseServers(c.Server)
	if err != nil {
		return nil, err
	}
	roots, err := c.roots()
	if err != nil {
		return nil, err
	}
	l := &link{now: o.now, log: o.log, learn: o.learn, named: named, config: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, NextProtos: localca.Protocols([]byte(c.Roots))}}
	if l.pairs, err = c.pairs(); err != nil {
		return nil, err
	}
	if len(l.pairs) > 0 {
		// The certificate is sent to every server, whatever authorities the server accepts.
		l.config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return l.pair(), nil }
	}
	for _, server := range named {
		l.configured = append(l.configured, newUpstream(server, l.config))
	}
	l.ctx, l.end = context.WithCancel(context.Background())
	return l, nil
}

// setLearnt replaces the learnt servers. Those that stay keep their connections.
func (l *link) setLearnt(all learnt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := map[string]*upstream{}
	for _, u := range l.learnt {
		before[u.url] = u
	}
	all = all.checked(l.named)
	kept := all.Name == l.name
	l.learnt, l.name = nil, all.Name
	for _, server := range all.Servers {
		u := before[server]
		if kept {
			delete(before, server)
		}
		if u == nil || !kept {
			u = newUpstream(server, l.learntConfig(server, all.Name))
		}
		l.learnt = append(l.learnt, u)
	}
	for _, u := range before {
		u.client.Load().CloseIdleConnections()
	}
}

// learntConfig is the TLS configuration for a learnt server of an installation. It asks for a certificate for the name
// of the installation, because the file of authorities may be older than the server's own name and exclude that.
func (l *link) learntConfig(server, name string) *tls.Config {
	config := l.config.Clone()
	config.ServerName = cmp.Or(name, hostOf(l.named[0]))
	config.InsecureSkipVerify = true //nolint:gosec // VerifyConnection verifies
	config.VerifyConnection = verifyLearnt(config.RootCAs, l.named, []string{hostOf(server), name})
	return config
}

// all returns all servers: first those that the operator has named.
func (l *link) all() []*upstream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.configured, l.learnt)
}

// order returns the servers in the order in which they are asked: those that answer, then the others, of which the one
// that may be asked again soonest is the first. If some answer, it also begins to probe the others, so that no request
// of a program waits for a server that does not answer.
func (l *link) order(now time.Time) []*upstream {
	all := l.all()
	if len(all) == 1 {
		return all
	}
	var answering, failed []*upstream
	retries := map[*upstream]time.Time{}
	for _, u := range all {
		if answers, retry := u.health(); answers {
			answering = append(answering, u)
		} else {
			retries[u], failed = retry, append(failed, u)
		}
	}
	slices.SortStableFunc(failed, func(a, b *upstream) int { return retries[a].Compare(retries[b]) })
	for _, u := range failed {
		if len(answering) > 0 && len(l.pairs) > 0 && u.beginProbe(now) {
			l.probe(u)
		}
	}
	return append(answering, failed...)
}

// probe asks a server that has failed for the host's state, to learn whether it answers again.
func (l *link) probe(u *upstream) {
	if l.ctx.Err() != nil {
		u.endProbe()
		return
	}
	go func() {
		defer u.endProbe()
		ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
		defer cancel()
		_, _ = l.try(ctx, u, u.client.Load(), stateCall("", 0)) // try records the outcome
	}()
}

// refresh makes the next requests use new connections.
func (l *link) refresh() {
	for _, u := range l.all() {
		u.replace(u.client.Load())
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

func (l *link) close() {
	l.end()
	for _, u := range l.all() {
		u.client.Load().CloseIdleConnections()
	}
}

// post sends a POST request with a JSON body and decodes the answer.
func post[T any](ctx context.Context, l *link, c call, in any) (T, error) {
	var none T
	body, err := json.Marshal(in)
	if err != nil {
		return none, fmt.Errorf("encode the request: %w", err)
	}
	c.method, c.body, c.decode = http.MethodPost, body, decode[T]
	answer, err := l.send(ctx, c)
	if err != nil {
		return none, err
	}
	if answer, ok := answer.(*T); ok {
		return *answer, nil
	}
	return none, fmt.Errorf("%w: its answer is empty", host.ErrAway)
}

// decode decodes an answer. It is an error if the answer lacks what every complete one has.
func decode[T any](data []byte) (any, error) {
	answer := new(T)
	if err := json.Unmarshal(data, answer); err != nil {
		return nil, err
	}
	if c, ok := any(answer).(interface{ Complete() bool }); ok && !c.Complete() {
		return nil, errors.New("a part is missing")
	}
	return answer, nil
}

// errForNow is in the error of a server that has said that it does not serve the request at the moment, or at this address.
var errForNow = errors.New("it refuses the request")

// errNotCarriedOut is in the error of a request that the server has certainly not carried out.
var errNotCarriedOut = errors.New("the request was not carried out")

// try sends a request to one server. The error is host.ErrAway if the server cannot be reached or has failed.
func (l *link) try(ctx context.Context, u *upstream, client *http.Client, c call) (any, error) {
	var sent atomic.Bool
	if c.once {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }})
	}
	answer, err := l.exchange(ctx, u, client, c)
	if !errors.Is(err, host.ErrAway) {
		if u.recover() {
			l.log.InfoContext(ctx, "a server answers again", "server", u.url)
		}
		return answer, err
	}
	slow := late(ctx, err)
	if slow {
		u.replace(client)
	}
	// A caller that has given up says nothing about the server.
	if ctx.Err() == nil || slow && context.Cause(ctx) != errDown {
		if u.fail() && len(l.all()) > 1 {
			l.log.WarnContext(ctx, "a server does not answer, asking another one", "server", u.url, "cause", err)
		}
	}
	if c.once && !sent.Load() || errors.Is(err, errForNow) {
		err = fmt.Errorf("%w: %w", errNotCarriedOut, err)
	}
	if advice := l.advice(err); advice != "" {
		err = fmt.Errorf("%w; %s", err, advice)
	}
	return nil, err
}

// exchange sends a request and decodes the answer. The result is nil for the status 204.
func (l *link) exchange(ctx context.Context, u *upstream, client *http.Client, c call) (answer any, err error) {
	req, err := http.NewRequestWithContext(ctx, c.method, u.url+c.path, bytes.NewReader(c.body))
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	if c.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.revision != 0 {
		req.Header.Set(host.HeaderRevision, strconv.FormatUint(c.revision, 10))
	}
	req, span := trace.Request(req, req.URL.Path) // the paths are those of package host
	defer func() {
		span.Fail(reasonOf(err))
		span.End()
	}()
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", host.ErrAway, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", host.ErrAway, err)
	case resp.StatusCode == http.StatusNoContent && c.method == http.MethodGet: // the state has not changed
	case resp.StatusCode != http.StatusOK:
		return nil, refusal(resp, data)
	}
	if resp.StatusCode == http.StatusOK {
		if answer, err = c.decode(data); err != nil {
			return nil, fmt.Errorf("%w: its answer cannot be read: %w", host.ErrAway, err)
		}
	}
	if l.learn != nil {
		if servers := resp.Header.Get(host.HeaderServers); servers != "" {
			l.learn(learnt{strings.Split(servers, ","), resp.Header.Get(host.HeaderName)})
		}
	}
	return answer, nil
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
	switch {
	case resp.StatusCode >= 500, resp.StatusCode == http.StatusTooManyRequests:
		return fmt.Errorf("%w: %w: %s: %s", host.ErrAway, errForNow, p.Error.Code, p.Error.Message)
	case resp.StatusCode == http.StatusMisdirectedRequest, p.Error.Code == host.CodeProxied:
		// Another address of the installation may be the right one.
		return fmt.Errorf("%w: %w: %s: %s", host.ErrAway, errForNow, p.Error.Code, p.Error.Message)
	}
	return errors.New(p.Error.Code + ": " + p.Error.Message)
}
