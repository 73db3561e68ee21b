package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"midas/internal/host"
)

// trust is for how long the agent believes what it knows while it cannot watch the server, and for how
// long a refusal is remembered. It is how late the end of an assignment may be noticed.
const trust = time.Second

// enrollEvery is the pause between two tries to enroll.
const enrollEvery = 50 * time.Millisecond

// Config is what an Agent needs. Now and Log are required, and one of Credential and Enroll.
type Config struct {
	Credential Credential
	// Save keeps a renewed credential for the next start; nil keeps it in memory only.
	Save func(Credential) error
	// Enroll gets a first credential, and another one when the server does not know the host any
	// more; nil leaves that to people. It is not asked twice at once, nor many times a second.
	Enroll func(context.Context) (Credential, error)
	Now    func() time.Time
	Log    *slog.Logger
}

// Agent gets tokens from the server. It is safe for concurrent use. Run must be running for it to
// notice changes at once.
type Agent struct {
	Config
	cache  cache
	flight singleflight.Group

	enrolling sync.Mutex
	enrolled  time.Time // when it was last tried, by the machine's clock; under enrolling

	mu       sync.Mutex
	link     *link
	watching bool        // a request for the next state is open, or about to be
	epoch    uint64      // counts the states
	state    *host.State // nil before the first
	revoked  bool        // the server does not know the host
}

// New makes an agent.
func New(c Config) (*Agent, error) {
	a := &Agent{Config: c}
	if c.Credential.Certificate == "" {
		if c.Enroll == nil {
			return nil, errors.New("this host is not enrolled")
		}
		return a, nil
	}
	var err error
	a.link, err = newLink(c.Credential)
	return a, err
}

// Token gives a token for one of the identities of this host's resource. The errors are those of
// package host.
func (a *Agent) Token(ctx context.Context, selector host.Selector, audience string) (*host.Token, error) {
	k := key{fold(selector), audience}
	if t, err, known := a.known(k); known {
		return t, err
	}
	// Whoever comes first asks for all; if it goes away, the others must not go with it.
	detached := context.WithoutCancel(ctx)
	asked := a.flight.DoChan(fmt.Sprintf("%q", []string{k.selector.ClientID, k.selector.ObjectID, k.selector.ResourceID, k.audience}),
		func() (any, error) { return a.fetch(detached, k) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-asked:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*host.Token), nil
	}
}

// fold gives a selector the one spelling under which its tokens are kept.
func fold(s host.Selector) host.Selector {
	return host.Selector{ClientID: strings.ToLower(s.ClientID), ObjectID: strings.ToLower(s.ObjectID), ResourceID: strings.ToLower(s.ResourceID)}
}

// known answers from memory, if the memory can still be trusted.
func (a *Agent) known(k key) (*host.Token, error, bool) {
	e, found := a.cache.get(k)
	if !found {
		return nil, nil, false
	}
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	current := e.epoch == a.epoch && (a.watching || now.Sub(e.asked) < trust)
	switch {
	case e.refusal != nil:
		return nil, e.refusal, e.epoch == a.epoch && now.Sub(e.asked) < trust
	case current && now.Before(e.refresh), now.Before(e.retry) && a.usable(e, now):
		return e.token, nil, true
	}
	return nil, nil, false
}

// usable reports whether a token may be given while the server cannot be asked. The caller holds mu.
func (a *Agent) usable(e entry, now time.Time) bool {
	if e.token == nil || !now.Before(e.token.Expires) || a.revoked {
		return false
	}
	if e.epoch == a.epoch || a.state == nil {
		return true
	}
	for _, p := range a.state.Principals {
		if p.ObjectID == e.token.Principal.ObjectID {
			return !e.token.Principal.ValidFrom.Before(p.ValidFrom)
		}
	}
	return false
}

// fetch asks the server. If that is away, the last good token is the answer.
func (a *Agent) fetch(ctx context.Context, k key) (*host.Token, error) {
	if t, err, known := a.known(k); known {
		return t, err // whoever asked just before has left it behind
	}
	a.mu.Lock()
	e := entry{epoch: a.epoch, asked: a.Now()}
	a.mu.Unlock()
	var answer host.TokenAnswer
	err := a.ask(ctx, func(l *link) error {
		return l.post(ctx, host.PathToken, host.TokenRequest{Audience: k.audience, Selector: k.selector}, &answer)
	})
	now := a.Now()
	switch {
	case err == nil:
		e.token = &host.Token{
			Raw: answer.Token, Audience: k.audience, Principal: answer.Principal,
			NotBefore: time.Unix(answer.NotBefore, 0).UTC(), Expires: time.Unix(answer.Expires, 0).UTC(),
		}
		e.refresh = now.Add(time.Duration(answer.RefreshIn) * time.Second)
	case errors.Is(err, host.ErrAway):
		return a.lastGood(k, now, err)
	default:
		e.refusal = err
	}
	a.cache.put(k, e)
	return e.token, err
}

func (a *Agent) lastGood(k key, now time.Time, away error) (*host.Token, error) {
	e, found := a.cache.get(k)
	a.mu.Lock()
	usable := found && a.usable(e, now)
	a.mu.Unlock()
	if !usable {
		return nil, away
	}
	e.retry = now.Add(trust)
	a.cache.put(k, e)
	return e.token, nil
}

// ask does something over the link. A host that is not known any more enrolls anew, if it can.
func (a *Agent) ask(ctx context.Context, do func(*link) error) error {
	l, err := a.connect(ctx)
	if err != nil {
		return err
	}
	if err = do(l); !errors.Is(err, host.ErrRevoked) {
		return err
	}
	a.unknown(l)
	if a.Enroll == nil {
		return err
	}
	if l, err = a.connect(ctx); err != nil {
		return err
	}
	return do(l)
}

// connect gives the link, enrolling where there is none.
func (a *Agent) connect(ctx context.Context) (*link, error) {
	if l := a.linked(); l != nil {
		return l, nil
	}
	if a.Enroll == nil {
		return nil, host.ErrRevoked
	}
	a.enrolling.Lock()
	defer a.enrolling.Unlock()
	if l := a.linked(); l != nil {
		return l, nil // somebody has been faster
	}
	sleep(ctx, enrollEvery-time.Since(a.enrolled))
	c, err := a.Enroll(ctx)
	a.enrolled = time.Now()
	if err != nil {
		return nil, err
	}
	if err := a.adopt(ctx, c); err != nil {
		return nil, err
	}
	return a.linked(), nil
}

func (a *Agent) linked() *link {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.link
}

// adopt keeps a credential and takes it into use.
func (a *Agent) adopt(ctx context.Context, c Credential) error {
	l, err := newLink(c)
	if err != nil {
		return err
	}
	if a.Save != nil {
		if err := a.Save(c); err != nil {
			a.Log.ErrorContext(ctx, "the host's new credential could not be kept: after a restart this host may have to be enrolled again", "cause", err)
		}
	}
	a.mu.Lock()
	before := a.link
	a.Credential, a.link, a.revoked = c, l, false
	a.mu.Unlock()
	if before != nil {
		before.close()
	}
	return nil
}

// unknown notes that the server does not know the host of a link: nothing that it was given is good
// any more.
func (a *Agent) unknown(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != l {
		return // there is another one already
	}
	if !a.revoked {
		a.epoch++
	}
	a.revoked, a.state = true, nil
	if a.Enroll != nil {
		a.link = nil
		l.close()
	}
}

// Instance describes this host's resource.
func (a *Agent) Instance(ctx context.Context) (host.Instance, error) {
	a.mu.Lock()
	state := a.state
	a.mu.Unlock()
	if state != nil {
		return state.Instance, nil
	}
	err := a.ask(ctx, func(l *link) (err error) {
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
	err := a.ask(ctx, func(l *link) error {
		return l.post(ctx, host.PathAttest, host.AttestRequest{Nonce: nonce}, &answer)
	})
	return answer.Signature, err
}

// Watching tells whether the agent would see a change at once.
func (a *Agent) Watching() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.watching
}

// Current is the credential in use.
func (a *Agent) Current() Credential {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.Credential
}
