package agent

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"midas/internal/host"
)

// stateCall is the request for a state with another version than known.
func stateCall(known string, revision uint64) call {
	return call{
		method: http.MethodGet, path: host.PathState + "?after=" + url.QueryEscape(known), timeout: watchTimeout,
		revision: revision, decode: decode[host.State],
	}
}

// state returns the state, at once.
func (l *link) state(ctx context.Context, c call) (*host.State, error) {
	answer, err := l.send(ctx, c)
	if err != nil {
		return nil, err
	}
	state, _ := answer.(*host.State)
	return state, nil
}

// next waits for a state with another version than known. It returns nil if the state has not changed. It asks one server,
// and ends when that fails to answer other requests.
func (l *link) next(ctx context.Context, c call) (*host.State, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	u := l.order(time.Now())[0]
	client, failing := u.client.Load(), u.failing()
	go func() {
		select {
		case <-failing:
			fail(errDown)
		case <-ctx.Done():
		}
	}()
	answer, err := l.try(ctx, u, client, c)
	state, _ := answer.(*host.State)
	return state, err
}
