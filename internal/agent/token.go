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

// errSilent says that the server has not answered others, less than a second ago.
var errSilent = fmt.Errorf("%w: it did not answer a moment ago", host.ErrAway)

// Recall gives what memory has, without waiting. If known, that is the answer, a token or an error of
// package host. Otherwise Token asks the server; a token that is given nevertheless can be used, and
// then Token answers within some hundred milliseconds.
func (a *Agent) Recall(selector host.Selector, audience string) (t *host.Token, known bool, err error) {
	return a.recall(key{fold(selector), audience})
}

// Token gives a token for one of the identities of this host's resource. The errors are those of
// package host. Where memory has a token that can be used, it is the answer if the server does not
// answer at once; the renewal goes on.
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
	// Whoever comes first asks for all; if it goes away, the others must not go with it.
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

// wait says for how long to wait for the server: not long where memory has a token, and where the
// server did not answer others. There is no token in memory if the error is not nil.
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
		return tokenTimeout + askTimeout, nil // the request itself ends before
	case !probe:
		return 0, errSilent
	}
	return trust, nil
}

// fold gives a selector the one spelling under which its tokens are kept. The server compares by the
// same function, so that what it tells apart has two entries here.
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
	if e.epoch == a.epoch {
		return true
	}
	if a.state == nil {
		return false // the host was revoked since
	}
	for _, p := range a.state.Principals {
		if p.ObjectID == e.token.Principal.ObjectID {
			return !e.token.Principal.ValidFrom.Before(p.ValidFrom)
		}
	}
	return false
}

// renewed asks the server, unless there is a token and enough others are being renewed.
func (a *Agent) renewed(ctx context.Context, k key, kept bool) (*host.Token, error) {
	if t, known, err := a.recall(k); known {
		return t, err // whoever asked just before has left it behind
	}
	if kept {
		select {
		case a.renewals <- struct{}{}:
			defer func() { <-a.renewals }()
		default:
			return a.lastGood(k, errSilent)
		}
	}
	return a.fetch(ctx, k)
}

// fetch asks the server. If that is away, the last good token is the answer.
func (a *Agent) fetch(ctx context.Context, k key) (*host.Token, error) {
	a.mu.Lock()
	e := entry{epoch: a.epoch, asked: a.Now()}
	a.mu.Unlock()
	var answer host.TokenAnswer
	err := a.ask(ctx, func(l *link) error {
		return l.post(ctx, tokenTimeout, host.PathToken, host.TokenRequest{Audience: k.audience, Selector: k.selector}, &answer)
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

// lastGood gives the token that memory has, or the reason why there is no better one.
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
