package agent

import (
	"context"
	"errors"
	"time"

	"midas/internal/host"
)

// enrollEvery is the pause between two tries to enroll.
const enrollEvery = 50 * time.Millisecond

// askNow is ask for a request that somebody waits for. It fails at once where the server did not
// answer a moment ago.
func (a *Agent) askNow(ctx context.Context, do func(*link) error) error {
	now := a.Now()
	a.mu.Lock()
	refuse := a.server.away && !a.server.probe(now)
	a.mu.Unlock()
	if refuse {
		return errSilent
	}
	return a.ask(ctx, do)
}

// ask does something over the link. A host that is not known any more enrolls anew, if it can.
func (a *Agent) ask(ctx context.Context, do func(*link) error) error {
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
	if ctx.Err() == nil { // else it is the asker who has gone
		a.note(err)
	}
	return err
}

// note takes the outcome of a request. One that was not answered in time shows that changes cannot be
// seen either, so the request for the next state is made anew.
func (a *Agent) note(err error) {
	now := a.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server.note(err, now)
	if errors.Is(err, host.ErrAway) && errors.Is(err, context.DeadlineExceeded) {
		a.interrupt()
	}
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

// linked gives the link, or nil where there is none. A host that can enroll does so when its certificate
// is not valid: under a clock that was wrong it may have got one that is not valid for years.
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

// adopt keeps a credential and takes it into use.
func (a *Agent) adopt(ctx context.Context, c Credential) error {
	l, err := newLink(c, a.Now)
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
