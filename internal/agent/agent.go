package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"midas/internal/clock"
	"midas/internal/host"
	"midas/internal/recent"
)

const (
	// trust is for how long the agent believes what it knows while it cannot watch the server, for how
	// long a refusal is remembered, and how often a server that does not answer is tried. It is how
	// late the end of an assignment may be noticed.
	trust = time.Second

	// patience is for how long a workload waits for a newer token when memory has one that it may use.
	patience = 250 * time.Millisecond

	// maxRenewals bounds how many tokens are renewed at once.
	maxRenewals = 4
)

// Config is what an Agent needs. Now and Log are required, and one of Credential and Enroll.
type Config struct {
	Credential Credential
	// Save keeps a renewed credential for the next start; nil keeps it in memory only.
	Save func(Credential) error
	// Enroll gets a first credential, and another one when the server does not know the host any
	// more; nil leaves that to people. It is not asked twice at once, nor many times a second.
	Enroll func(context.Context) (Credential, error)
	// Now should be time.Now or tell the time as it does, with a monotonic reading.
	Now func() time.Time
	Log *slog.Logger
}

// Agent gets tokens from the server. It is safe for concurrent use. Run must be running for it to
// notice changes at once.
type Agent struct {
	Config
	cache    recent.Cache[key, entry]
	flight   singleflight.Group
	renewals chan struct{} // holds one token for each renewal that runs

	enrolling sync.Mutex
	enrolled  time.Time // when it was last tried, by the machine's clock; under enrolling

	mu       sync.Mutex
	link     *link
	server   presence
	watching bool        // a request for the next state is open, or about to be
	heard    time.Time   // when that request was last answered
	rewatch  func()      // ends the open request; nil if there is none
	epoch    uint64      // counts the states
	state    *host.State // nil before the first
	revoked  bool        // the server does not know the host
}

// New makes an agent.
func New(c Config) (*Agent, error) {
	a := &Agent{Config: c, renewals: make(chan struct{}, maxRenewals), cache: recent.Cache[key, entry]{Limit: maxEntries}}
	if c.Credential.Certificate == "" {
		if c.Enroll == nil {
			return nil, errors.New("this host is not enrolled")
		}
		return a, nil
	}
	var err error
	a.link, err = newLink(c.Credential, c.Now)
	return a, err
}

// Instance describes this host's resource.
func (a *Agent) Instance(ctx context.Context) (host.Instance, error) {
	a.mu.Lock()
	state := a.state
	a.mu.Unlock()
	if state != nil {
		return state.Instance, nil
	}
	err := a.askNow(ctx, func(l *link) (err error) {
		state, err = l.state(ctx, "")
		return err
	})
	if err != nil {
		return host.Instance{}, err
	}
	if state == nil {
		return host.Instance{}, fmt.Errorf("%w: it has given no state", host.ErrAway)
	}
	return state.Instance, nil
}

// Attest gives a document about this host's resource, signed by the server.
func (a *Agent) Attest(ctx context.Context, nonce string) ([]byte, error) {
	var answer host.AttestAnswer
	err := a.askNow(ctx, func(l *link) error {
		return l.post(ctx, askTimeout, host.PathAttest, host.AttestRequest{Nonce: nonce}, &answer)
	})
	return answer.Signature, err
}

// Watching tells whether the agent would see a change at once.
func (a *Agent) Watching() bool {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sees(now)
}

// sees reports whether changes are seen at once. After a suspend or a restored snapshot they are not:
// the open request may have been lost, and so may its answer. The caller holds mu.
func (a *Agent) sees(now time.Time) bool { return a.watching && clock.Slept(a.heard, now) < trust }

// wake makes new connections after a suspend or a restored snapshot: the server, or what is between the
// two, may have forgotten the old ones. The caller holds mu.
func (a *Agent) wake(now time.Time) {
	if a.watching && !a.sees(now) {
		a.interrupt()
		if l := a.link; l != nil {
			l.replace(l.client.Load())
		}
	}
}

// interrupt ends the request for the next state, so that it is made anew. The caller holds mu.
func (a *Agent) interrupt() {
	a.watching = false
	if a.rewatch != nil {
		a.rewatch()
	}
}

// Current is the credential in use.
func (a *Agent) Current() Credential {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Credential
}
