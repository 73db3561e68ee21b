package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"midas/internal/host"
)

// Pauses between tries, and how often the age of the certificate is looked at.
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
	known, pause, failing := "", shortPause, false
	for ctx.Err() == nil {
		var state *host.State
		err := a.ask(ctx, func(l *link) (err error) {
			state, err = l.state(ctx, known)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			known = ""
			a.blind()
			if !failing && !errors.Is(err, host.ErrRevoked) {
				a.Log.WarnContext(ctx, "the server cannot be watched, trying again", "cause", err)
			}
			failing = true
			sleep(ctx, pause)
			pause = a.next(pause, err)
			continue
		case state != nil:
			known = state.Version
			a.enter(state)
		}
		if failing {
			a.Log.InfoContext(ctx, "the server is watched")
		}
		pause, failing = shortPause, false
	}
}

// next is how long to wait after another failure. A host that can enroll by itself soon knows whether
// it may again.
func (a *Agent) next(pause time.Duration, failure error) time.Duration {
	if errors.Is(failure, host.ErrRevoked) && a.Enroll != nil {
		return trust
	}
	return min(2*pause, longPause)
}

// enter begins a new state.
func (a *Agent) enter(state *host.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state == nil || a.state.Version != state.Version {
		a.epoch++
	}
	a.state, a.watching, a.revoked = state, true, false
}

// blind notes that changes are not seen.
func (a *Agent) blind() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watching = false
}

// tend renews the certificate when half its life is over.
func (a *Agent) tend(ctx context.Context) {
	for ctx.Err() == nil {
		if l := a.linked(); l != nil && l.leaf != nil && due(l.leaf, a.Now()) {
			if err := a.renew(ctx, l); err != nil && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "the certificate of this host could not be renewed, trying again", "ends", l.leaf.NotAfter, "cause", err)
			}
		}
		sleep(ctx, tendEvery)
	}
}

func due(leaf *x509.Certificate, now time.Time) bool {
	return now.After(leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2))
}

// renew has the server certify a new key.
func (a *Agent) renew(ctx context.Context, l *link) error {
	request, key, err := newRequest()
	if err != nil {
		return err
	}
	var admission host.Admission
	if err := l.post(ctx, host.PathRenew, host.RenewRequest{Request: request}, &admission); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	if a.linked() != l {
		return nil // it has enrolled anew meanwhile
	}
	c := a.Current()
	c.Certificate, c.Key = admission.Certificate, key
	return a.adopt(ctx, c)
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
