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
	// trust is how long the agent uses cached state while it cannot watch the server, how long it caches
	// a refusal, and the interval between requests to a server that does not answer. It bounds how late
	// the agent notices the end of an assignment.
	trust = time.Second

	// patience is how long a workload waits for a newer token when the cache has a usable one.
	patience = 250 * time.Millisecond

	// maxRenewals bounds how many tokens are renewed at once.
	maxRenewals = 4
)

// Config is what an Agent needs. Now and Log are required, and one of Credential and Enroll.
type Config struct {
	Credential Credential
	// Save stores a renewed credential for the next start; if it is nil, the credential stays in memory only.
	Save func(Credential) error
	// Learnt is what the agent has learnt before of other servers than those of the credential. SaveLearnt stores it for
	// the next start; if it is nil, it stays in memory only.
	Learnt     learnt
	SaveLearnt func(learnt) error
	// Enroll gets the first credential, and another one when the server has removed the host. If it is
	// nil, an operator has to enroll the host. It is never called concurrently, nor more often than once
	// every enrollEvery.
	Enroll func(context.Context) (Credential, error)
	// Now must return times with a monotonic clock reading, as time.Now does.
	Now func() time.Time
	Log *slog.Logger
}

// Agent gets tokens from the server and caches them. It is safe for concurrent use. It notices changes at
// once only while Run is running.
type Agent struct {
	Config
	cache    recent.Cache[key, entry]
	flight   singleflight.Group
	renewals chan struct{} // holds one token for each renewal that runs

	enrolling sync.Mutex
	enrolled  time.Time // time of the last attempt, by the machine's clock; guarded by enrolling

	mu       sync.Mutex
	link     *link
	learnt   learnt
	server   presence
	watching bool          // a request for the next state is open, or about to be sent
	heard    time.Time     // when the server last answered such a request
	rewatch  func()        // ends the open request; nil if there is none
	epoch    uint64        // incremented with every new state
	newEpoch chan struct{} // closed at the next increment
	state    *host.State   // nil before the first
	revoked  bool          // the server has removed the host
}

// New makes an agent.
func New(c Config) (*Agent, error) {
	a := &Agent{Config: c, learnt: c.Learnt, renewals: make(chan struct{}, maxRenewals), newEpoch: make(chan struct{}), cache: recent.Cache[key, entry]{Limit: maxEntries}}
	if c.Credential.Certificate == "" {
		if c.Enroll == nil {
			return nil, errors.New("this host is not enrolled")
		}
		return a, nil
	}
	var err error
	if a.link, err = a.newLink(c.Credential); err != nil {
		return nil, err
	}
	a.link.setLearnt(a.learnt)
	return a, nil
}

// Instance returns the description of this host's resource.
func (a *Agent) Instance(ctx context.Context) (host.Instance, error) {
	a.mu.Lock()
	state := a.state
	a.mu.Unlock()
	if state != nil {
		return state.Instance, nil
	}
	state, err := a.stateNow(ctx)
	if err != nil {
		return host.Instance{}, err
	}
	if state == nil {
		return host.Instance{}, fmt.Errorf("%w: it has sent no state", host.ErrAway)
	}
	return state.Instance, nil
}

// Principals returns the identities of this host's resource. While the agent does not notice changes at once, it
// asks the server, and returns the last known ones if the server does not answer.
func (a *Agent) Principals(ctx context.Context) ([]host.Principal, error) {
	now := a.Now()
	a.mu.Lock()
	state, current := a.state, a.sees(now)
	a.mu.Unlock()
	if state != nil && current {
		return state.Principals, nil
	}
	if state != nil { // a stale list is enough to find an identity: the server decides about its token
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	asked, err := a.stateNow(ctx)
	switch {
	case err == nil && asked != nil:
		return asked.Principals, nil
	case state != nil && errors.Is(err, host.ErrAway):
		return state.Principals, nil
	case err == nil:
		return nil, fmt.Errorf("%w: it has sent no state", host.ErrAway)
	}
	return nil, err
}

// stateNow asks the server for the state, for a program that waits for it.
func (a *Agent) stateNow(ctx context.Context) (state *host.State, err error) {
	c := stateCall("", a.revision())
	c.timeout, c.persistent = askTimeout, true
	err = a.askNow(ctx, func(l *link) (err error) {
		state, err = l.state(ctx, c)
		return err
	})
	return state, err
}

// changed returns a channel that is closed when the server reports a new state, or has removed the host.
func (a *Agent) changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newEpoch
}

// nextEpoch begins another epoch. The caller holds mu.
func (a *Agent) nextEpoch() {
	a.epoch++
	close(a.newEpoch)
	a.newEpoch = make(chan struct{})
}

// StartOver drops the tokens and the state that the agent knows, and its link if it can enroll again, because the server
// has returned to an earlier state.
func (a *Agent) StartOver() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.nextEpoch()
	a.cache.Clear()
	a.state = nil
	a.server, a.heard = presence{}, time.Time{} // their times may be of a clock that was ahead
	if a.Enroll != nil && a.link != nil {
		a.link.close()
		a.link = nil
	}
	a.interrupt()
}

// Attest returns a document about this host's resource that the server has signed.
func (a *Agent) Attest(ctx context.Context, nonce string) ([]byte, error) {
	var answer host.AttestAnswer
	err := a.askNow(ctx, func(l *link) (err error) {
		c := call{path: host.PathAttest, timeout: askTimeout, persistent: true, revision: a.revision()}
		answer, err = post[host.AttestAnswer](ctx, l, c, host.AttestRequest{Nonce: nonce})
		return err
	})
	return answer.Signature, err
}

// Watching reports whether the agent notices changes at once.
func (a *Agent) Watching() bool {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sees(now)
}

// sees reports whether the agent notices changes at once. After a suspend or a restored snapshot it does
// not: the open request or its answer may have been lost. The caller holds mu.
func (a *Agent) sees(now time.Time) bool { return a.watching && clock.Slept(a.heard, now) < trust }

// wake replaces the connections after a suspend or a restored snapshot: the server, or a device in between,
// may have dropped the old ones. The caller holds mu.
func (a *Agent) wake(now time.Time) {
	if a.watching && !a.sees(now) {
		a.interrupt()
		if l := a.link; l != nil {
			l.refresh()
		}
	}
}

// interrupt ends the request for the next state, so that watch sends it again. The caller holds mu.
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
