package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/clock"
	"midas/internal/host"
)

// errSilent says that the server has not answered another request within the last second.
var errSilent = fmt.Errorf("%w: it did not answer a moment ago", host.ErrAway)

// Recall returns the cached answer without waiting. If known is true, it is the answer: a token, or an
// error of package host. Otherwise Token has to ask the server. If Recall returns a token nevertheless, that
// token can be used, and Token answers within some hundred milliseconds.
func (a *Agent) Recall(selector host.Selector, audience string) (t *host.Token, known bool, err error) {
	return a.recall(key{fold(selector), audience})
}

// Token returns a token for one of the identities of this host's resource. The errors are those of
// package host. If the cache has a usable token and the server does not answer within patience, Token
// returns the cached one and the renewal goes on.
func (a *Agent) Token(ctx context.Context, selector host.Selector, audience string) (*host.Token, error) {
	k := key{fold(selector), audience}
	kept, known, err := a.recall(k)
	if known {
		return kept, err
	}
	wait, err := a.wait(kept != nil)
	if err != nil {
		return nil, err
	}
	// The first caller sends the request for all callers, so its cancellation must not end the request.
	detached := context.WithoutCancel(ctx)
	asked := a.flight.DoChan(fmt.Sprintf("%q", []string{k.selector.ClientID, k.selector.ObjectID, k.selector.ResourceID, k.audience}),
		func() (any, error) { return a.renewed(detached, k, kept != nil) })
	late := time.NewTimer(wait)
	defer late.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-asked:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*host.Token), nil
	case <-late.C:
		a.mu.Lock()
		a.server.late(a.Now())
		a.mu.Unlock()
		return a.lastGood(k, errSilent)
	}
}

// wait returns how long to wait for the server: patience if the cache has a usable token, and trust if the
// server did not answer other requests. It returns errSilent if there is no cached token and no request may
// be sent now.
func (a *Agent) wait(kept bool) (time.Duration, error) {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wake(now)
	probe := a.server.probe(now)
	switch {
	case kept:
		return patience, nil
	case !a.server.away:
		return tokenTimeout + askTimeout, nil // the request itself ends earlier
	case !probe:
		return 0, errSilent
	}
	return trust, nil
}

// fold folds the case of a selector for the key of the cache. The server compares by the same function, so
// selectors that differ for the server have different entries here.
func fold(s host.Selector) host.Selector {
	return host.Selector{ClientID: arm.Fold(s.ClientID), ObjectID: arm.Fold(s.ObjectID), ResourceID: arm.Fold(s.ResourceID)}
}

func (a *Agent) recall(k key) (t *host.Token, known bool, err error) {
	e, found := a.cache.Get(k)
	if !found {
		return nil, false, nil
	}
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	young := e.epoch == a.epoch && !clock.Over(e.asked, trust, now)
	switch {
	case e.refusal != nil && young:
		return nil, true, e.refusal
	case !a.usable(e, now):
		return nil, false, nil
	case !clock.Over(e.asked, e.refresh, now) && (young || e.epoch == a.epoch && a.sees(now)):
		return e.token, true, nil
	}
	return e.token, a.server.silent && !clock.Over(a.server.probed, trust, now), nil
}

// usable reports whether a token may be given while the server cannot be asked. The caller holds mu.
func (a *Agent) usable(e entry, now time.Time) bool {
	if e.token == nil || clock.Over(e.asked, e.life, now) || a.revoked {
		return false
	}
	if a.state == nil {
		return e.epoch == a.epoch // otherwise the server has removed the host since
	}
	// This is also checked in the epoch of the token: an identity that was assigned and removed again between two
	// states leaves no trace in them.
	for _, p := range a.state.Principals {
		if p.ObjectID == e.token.Principal.ObjectID {
			return !e.token.Principal.ValidFrom.Before(p.ValidFrom)
		}
	}
	return false
}

// renewed asks the server for a token. If there is a cached token and maxRenewals renewals are running, it
// returns the cached one.
func (a *Agent) renewed(ctx context.Context, k key, kept bool) (*host.Token, error) {
	if t, known, err := a.recall(k); known {
		return t, err // an earlier request has just put it into the cache
	}
	if kept {
		select {
		case a.renewals <- struct{}{}:
			defer func() { <-a.renewals }()
		default:
			return a.lastGood(k, errSilent)
		}
	}
	return a.fetch(ctx, k, kept)
}

// fetch asks the server for a token. If the server cannot be reached, it returns the last valid token. Without a
// usable one in the cache it tries for as long as programs can wait.
func (a *Agent) fetch(ctx context.Context, k key, kept bool) (*host.Token, error) {
	a.mu.Lock()
	e := entry{epoch: a.epoch, asked: a.Now()}
	a.mu.Unlock()
	var answer host.TokenAnswer
	err := a.ask(ctx, !kept, func(l *link) (err error) {
		c := call{path: host.PathToken, timeout: tokenTimeout, persistent: !kept, revision: a.revision()}
		answer, err = post[host.TokenAnswer](ctx, l, c, host.TokenRequest{Audience: k.audience, Selector: k.selector})
		return err
	})
	switch {
	case err == nil:
		e.token = &host.Token{
			Raw: answer.Token, Audience: k.audience, Principal: answer.Principal,
			NotBefore: time.Unix(answer.NotBefore, 0).UTC(), Expires: time.Unix(answer.Expires, 0).UTC(),
		}
		e.refresh, e.life = time.Duration(answer.RefreshIn)*time.Second, time.Duration(answer.ExpiresIn)*time.Second
	case errors.Is(err, host.ErrAway):
		return a.lastGood(k, err)
	default:
		e.refusal = err
	}
	a.cache.Put(k, e)
	return e.token, err
}

// lastGood returns the cached token if it is usable, or else the error away.
func (a *Agent) lastGood(k key, away error) (*host.Token, error) {
	e, found := a.cache.Get(k)
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !found || !a.usable(e, now) {
		return nil, away
	}
	return e.token, nil
}
