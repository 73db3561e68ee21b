package agent

import (
	"context"
	"errors"
	"time"

	"midas/internal/host"
)

// enrollEvery is the pause between two attempts to enroll.
const enrollEvery = 50 * time.Millisecond

// askNow is ask for a request that a program waits for. It fails at once with errSilent if the server did
// not answer within the last second.
func (a *Agent) askNow(ctx context.Context, do func(*link) error) error {
	now := a.Now()
	a.mu.Lock()
	refuse := a.server.away && !a.server.probe(now)
	a.mu.Unlock()
	if refuse {
		return errSilent
	}
	return a.ask(ctx, true, do)
}

// ask calls do with the link. If the server has removed the host and Enroll is set, it enrolls again and
// calls do once more. urgent reports whether a program waits for the answer: do has then tried for as long as
// programs can wait.
func (a *Agent) ask(ctx context.Context, urgent bool, do func(*link) error) error {
	l, err := a.connect(ctx)
	if err == nil {
		err = do(l)
	}
	if l != nil && errors.Is(err, host.ErrRevoked) {
		a.unknown(l)
		if a.Enroll != nil {
			if l, err = a.connect(ctx); err == nil {
				err = do(l)
			}
		}
	}
	if ctx.Err() == nil { // otherwise the caller has given up, which says nothing about the server
		a.note(err, urgent)
	}
	return err
}

// note records the outcome of a request. If a request was not answered in time, the open request for the
// next state may be lost too, so it is sent again.
func (a *Agent) note(err error, urgent bool) {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server.note(err, urgent, now)
	if errors.Is(err, host.ErrAway) && errors.Is(err, context.DeadlineExceeded) {
		a.interrupt()
	}
}

// connect returns the link. It enrolls if there is none.
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
		return l, nil // another goroutine has enrolled meanwhile
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

// linked returns the link, or nil if there is none. If Enroll is set and the certificate is not valid, it
// drops the link, so that the host enrolls again: under a wrong clock the host may have got a certificate
// that only becomes valid in years.
func (a *Agent) linked() *link {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != nil && a.Enroll != nil {
		if leaf := a.link.leaf(); leaf != nil && !valid(leaf, a.Now()) {
			a.link.close()
			a.link = nil
		}
	}
	return a.link
}

// adopt saves a credential and makes it the current one.
func (a *Agent) adopt(ctx context.Context, c Credential) error {
	l, err := a.newLink(c)
	if err != nil {
		return err
	}
	if a.Save != nil {
		if err := a.Save(c); err != nil {
			a.Log.ErrorContext(ctx, "the host's new credential could not be saved: after a restart this host may have to be enrolled again", "cause", err)
		}
	}
	a.mu.Lock()
	before := a.link
	a.Credential, a.link, a.revoked = c, l, false
	l.setLearnt(a.learnt)
	a.mu.Unlock()
	if before != nil {
		before.close()
	}
	return nil
}

// unknown records that the server has removed the host of a link. Its cached tokens must not be used any
// more.
func (a *Agent) unknown(l *link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.link != l {
		return // the host has enrolled again meanwhile
	}
	if !a.revoked {
		a.nextEpoch()
	}
	a.revoked, a.state = true, nil
	if a.Enroll != nil {
		a.link = nil
		l.close()
	}
}
