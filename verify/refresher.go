package verify

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// leastPause is how long nothing is fetched after a fetch began, whatever tokens are presented. So tokens with
	// invented key ids cause one request each leastPause.
	leastPause = 5 * time.Second

	// The pause after a failed fetch. It doubles with each failure in a row.
	firstRetry, lastRetry = time.Second, 30 * time.Second
)

// refresher fetches one document again and again in a goroutine of its own. A request that needs it sooner can wake
// the goroutine and wait for it.
type refresher struct {
	name  string
	fetch func(context.Context) (next time.Duration, err error)
	log   *slog.Logger

	wake  chan struct{} // holds one wish
	ended chan struct{} // closed when run has returned

	mu    sync.Mutex
	busy  bool          // a fetch is under way
	began time.Time     // when the last fetch began
	done  chan struct{} // closed after the next fetch, or after run has decided against one
	err   error         // of the last fetch
}

func newRefresher(name string, log *slog.Logger, fetch func(context.Context) (time.Duration, error)) *refresher {
	return &refresher{
		name: name, fetch: fetch, log: log,
		wake: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{}),
	}
}

// run fetches until the context ends. The first fetch is after a pause.
func (r *refresher) run(ctx context.Context, pause time.Duration) {
	defer close(r.ended)
	timer := time.NewTimer(spread(pause))
	defer timer.Stop()
	for retry := firstRetry; ; {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			if !r.mayFetch() {
				r.finish(nil, false)
				continue
			}
		case <-timer.C:
		}
		pause, err := r.once(ctx)
		if err != nil && ctx.Err() == nil {
			r.log.Warn("midas verify: a document cannot be refreshed", "document", r.name, "error", err)
			pause, retry = retry, min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		timer.Reset(spread(pause))
	}
}

// once fetches now.
func (r *refresher) once(ctx context.Context) (time.Duration, error) {
	r.mu.Lock()
	r.busy, r.began = true, time.Now()
	r.mu.Unlock()
	next, err := r.fetch(ctx)
	r.finish(err, true)
	return next, err
}

// finish lets those go on that wait.
func (r *refresher) finish(err error, fetched bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if fetched {
		r.busy, r.err = false, err
	}
	close(r.done)
	r.done = make(chan struct{})
}

// mayFetch reports whether the last fetch began long enough ago.
func (r *refresher) mayFetch() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rested()
}

// rested is mayFetch for a caller that holds the lock.
func (r *refresher) rested() bool { return elapsed(r.began, time.Now()) >= leastPause }

// again waits until the document was fetched once more, by the fetch that is under way if there is one. It returns
// at once if the document was fetched a moment ago. The error is that of the context; whether the fetch succeeded,
// the document shows.
func (r *refresher) again(ctx context.Context) error {
	r.mu.Lock()
	done, busy, rested := r.done, r.busy, r.rested()
	r.mu.Unlock()
	if !busy && !rested {
		return nil
	}
	if !busy {
		r.nudge()
	}
	select {
	case <-done:
	case <-r.ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// nudge asks for a fetch and does not wait for it.
func (r *refresher) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// failure returns the error of the last fetch.
func (r *refresher) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// spread changes a pause by up to a tenth, so that many services that started together do not ask together.
func spread(pause time.Duration) time.Duration {
	return pause - pause/20 + rand.N(pause/10+1)
}

// elapsed returns the time from since to now by the wall clock or by the monotonic clock, whichever says more: the
// first can be set back, and the second stops while the machine is suspended.
func elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}
