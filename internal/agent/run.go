package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"midas/internal/clock"
	"midas/internal/host"
)

// Pauses between attempts, and the interval at which the age of the certificate is checked.
const (
	shortPause = 200 * time.Millisecond
	longPause  = 5 * time.Second
	tendEvery  = time.Minute
)

// Run follows the server's state and renews the certificate, until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.tend(ctx)
	}()
	a.watch(ctx)
	<-done
	if l := a.linked(); l != nil {
		l.close()
	}
	return nil
}

// watch keeps a request open that the server answers when anything changes.
func (a *Agent) watch(ctx context.Context) {
	known, pause := "", shortPause
	var failures complaints
	for ctx.Err() == nil {
		state, err := a.nextState(ctx, known)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && known != "": // the server with which it waited has ended, or the connection: ask at once, and any server
			known = ""
			a.blind()
			continue
		case err != nil:
			known = ""
			a.blind()
			a.complain(ctx, &failures, err)
			sleep(ctx, pause)
			pause = a.next(pause, err)
			continue
		case state != nil:
			known = state.Version
		}
		a.hear(state)
		if failures.forget() {
			a.Log.InfoContext(ctx, "the server is watched")
		}
		pause = shortPause
	}
}

// nextState waits for a state with another version than known. It returns nil if the state has not changed.
func (a *Agent) nextState(ctx context.Context, known string) (state *host.State, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a.mu.Lock()
	a.rewatch = func() { cancel(errSilent) }
	a.mu.Unlock()
	if l := a.linked(); l != nil && known != "" {
		state, err = l.next(ctx, stateCall(known, a.revision()))
	} else {
		c := stateCall("", a.revision())
		c.timeout = askTimeout
		err = a.ask(ctx, false, func(l *link) (err error) {
			state, err = l.state(ctx, c)
			return err
		})
	}
	a.mu.Lock()
	a.rewatch = nil
	a.mu.Unlock()
	return state, err
}

// complain logs why the server cannot be watched.
func (a *Agent) complain(ctx context.Context, failures *complaints, err error) {
	switch {
	case errors.Is(err, host.ErrRevoked) && a.Enroll != nil: // not logged, because the resource may be created later
	case !failures.worth(err, a.Now()):
	case errors.Is(err, host.ErrRevoked):
		a.Log.WarnContext(ctx, "the server does not know this host: it has to be enrolled again", "cause", err)
	default:
		a.Log.WarnContext(ctx, "the server cannot be watched, trying again", "cause", err)
	}
}

// next is the pause after another failure. It stays short if Enroll is set and the host was removed, because
// the resource may be created at any moment.
func (a *Agent) next(pause time.Duration, failure error) time.Duration {
	if errors.Is(failure, host.ErrRevoked) && a.Enroll != nil {
		return trust
	}
	return min(2*pause, longPause)
}

// hear records an answer of the server: a new state, or nil if the state has not changed.
func (a *Agent) hear(state *host.State) {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if state != nil {
		if a.state == nil || a.state.Version != state.Version {
			a.nextEpoch()
		}
		a.state = state
	}
	a.watching, a.heard, a.revoked = true, now, false
}

// blind records that the agent does not notice changes.
func (a *Agent) blind() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watching = false
}

// tend renews the certificate when half its life is over.
func (a *Agent) tend(ctx context.Context) {
	var failures complaints
	for ctx.Err() == nil {
		if l := a.linked(); l != nil && due(l, a.Now()) {
			switch err := a.renew(ctx, l); {
			case err == nil:
				failures.forget()
			case ctx.Err() == nil && failures.worth(err, a.Now()):
				leaf := l.leaf()
				a.Log.WarnContext(ctx, "the certificate of this host could not be renewed, trying again",
					"begins", leaf.NotBefore, "ends", leaf.NotAfter, "cause", err)
			}
		}
		clock.Sleep(ctx, tendEvery)
	}
}

// due reports whether the certificate in use has to be renewed: half its life is over, or it is an
// earlier one because the newest is not valid yet.
func due(l *link, now time.Time) bool {
	leaf := l.leaf()
	if leaf == nil {
		return false
	}
	return leaf != l.pairs[0].Leaf || now.After(leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore)/2))
}

// renew makes a new key and gets a certificate for it from the server.
func (a *Agent) renew(ctx context.Context, l *link) error {
	request, key, err := newRequest()
	if err != nil {
		return err
	}
	used := *l.pair()
	answer, err := post[host.EnrollAnswer](ctx, l, call{path: host.PathRenew, timeout: askTimeout}, host.RenewRequest{Request: request})
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	if a.linked() != l {
		return nil // the host has enrolled again meanwhile
	}
	pair, err := tls.X509KeyPair([]byte(answer.Certificate), []byte(key))
	if err != nil {
		return fmt.Errorf("renew: the server's certificate cannot be used: %w", err)
	}
	// A clock is wrong, the host's or the server's. If it is the server's, the host could not use this
	// certificate once the server's clock is right again.
	if now := a.Now(); !valid(pair.Leaf, now) {
		return fmt.Errorf("renew: the new certificate is valid from %s to %s, and here it is %s: the clock of this host or of the server is wrong",
			pair.Leaf.NotBefore.Format(time.RFC3339), pair.Leaf.NotAfter.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return a.adopt(ctx, a.Current().renewed(used, answer.Certificate, key))
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
