package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"midas/internal/host"
)

const (
	// hedgeAfter is how long a request waits for one server before it is also sent to the next one.
	hedgeAfter = 250 * time.Millisecond
	// againAfter is how long a request that all servers have got waits before it is sent once more, over new
	// connections: behind a load balancer these lead to other replicas.
	againAfter = time.Second
	// renewEvery bounds how often that replaces the connections to a server.
	renewEvery = 5 * time.Second

	// persistence is how long a request for which a program waits is sent again, if all servers fail: a cluster whose
	// leader has ended has another one within seconds. The pauses grow from firstPause to lastPause.
	persistence = 4 * time.Second
	firstPause  = 50 * time.Millisecond
	lastPause   = 500 * time.Millisecond
)

// call is a request to any of the servers.
type call struct {
	method, path string
	body         []byte
	timeout      time.Duration // of the whole call
	revision     uint64        // the answer must not be from an earlier revision of the store; 0: any

	// decode decodes the body of an answer. An error means that the server has failed.
	decode func([]byte) (any, error)

	// once is set if the request must not be carried out twice. Then it is sent to another server only if the first
	// one cannot have carried it out.
	once bool

	// persistent is set if a program waits for the answer.
	persistent bool
}

// send sends a request to the servers until one answers. The result is nil for an answer without content. The error is
// host.ErrAway if no server can be reached, or all have failed.
func (l *link) send(ctx context.Context, c call) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	begun := time.Now()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		answer, err := l.race(ctx, c)
		if !errors.Is(err, host.ErrAway) || !c.persistent || time.Since(begun)+pause > persistence {
			return answer, err
		}
		if sleep(ctx, pause); ctx.Err() != nil {
			return nil, err
		}
	}
}

// race is one request that is sent to one or several servers.
type race struct {
	link     *link
	call     call
	order    []*upstream
	next     int // of order
	attempts []*attempt
	outcomes chan outcome
	failures []error
	open     int // attempts without an outcome
}

// attempt is the request to one server.
type attempt struct {
	upstream *upstream
	client   *http.Client
	cancel   context.CancelCauseFunc
	ended    bool
	repeated bool // the same server has got the request once more
}

type outcome struct {
	attempt int
	answer  any
	err     error
}

// race sends a request to the first server; to the next one when that fails, or does not answer soon; and at last once
// more to each of those that do not answer. The first answer counts.
func (l *link) race(ctx context.Context, c call) (any, error) {
	order := l.order(time.Now())
	r := &race{link: l, call: c, order: order, outcomes: make(chan outcome, 2*len(order))}
	defer r.end()
	timer := time.NewTimer(r.advance(ctx))
	defer timer.Stop()
	for {
		select {
		case o := <-r.outcomes:
			r.open--
			r.attempts[o.attempt].ended = true
			if !errors.Is(o.err, host.ErrAway) {
				r.beat(o.attempt)
				return o.answer, o.err
			}
			r.failures = append(r.failures, o.err)
			if r.next < len(r.order) && (!c.once || errors.Is(o.err, errNotCarriedOut)) {
				timer.Reset(r.advance(ctx))
			} else if r.open == 0 {
				return nil, errors.Join(r.failures...)
			}
		case <-timer.C:
			timer.Reset(r.hedge(ctx))
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", host.ErrAway, ctx.Err())
		}
	}
}

// advance sends the request to the next server. It returns how long to wait for an answer.
func (r *race) advance(ctx context.Context) time.Duration {
	r.begin(ctx, r.order[r.next])
	if r.next++; r.next < len(r.order) {
		return hedgeAfter
	}
	return againAfter
}

// hedge sends a request that is not answered to a further server. It returns how long to wait for the answer.
func (r *race) hedge(ctx context.Context) time.Duration {
	switch {
	case r.call.once:
		return r.call.timeout
	case r.next < len(r.order):
		return r.advance(ctx)
	}
	for _, a := range r.attempts[:len(r.order)] {
		if !a.ended && !a.repeated {
			a.repeated = true
			a.upstream.renew(a.client)
			r.begin(ctx, a.upstream)
			return hedgeAfter
		}
	}
	return r.call.timeout
}

// begin sends the request to a server.
func (r *race) begin(ctx context.Context, u *upstream) {
	ctx, cancel := context.WithCancelCause(ctx)
	a, n := &attempt{upstream: u, client: u.client.Load(), cancel: cancel}, len(r.attempts)
	r.attempts = append(r.attempts, a)
	r.open++
	go func() {
		answer, err := r.link.try(ctx, u, a.client, r.call)
		r.outcomes <- outcome{n, answer, err}
	}()
}

// beat ends the attempts that have begun before the winner and were not answered. Other servers among them count as failed,
// and so do earlier connections to the same server.
func (r *race) beat(winner int) {
	won := r.attempts[winner]
	for _, a := range r.attempts[:winner] {
		switch {
		case a.ended:
		case a.upstream != won.upstream:
			a.cancel(errBeaten)
		case a.client != won.client:
			a.upstream.lose()
		}
	}
}

// end ends all attempts.
func (r *race) end() {
	for _, a := range r.attempts {
		a.cancel(nil)
	}
}
