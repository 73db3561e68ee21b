package store

import (
	"context"
	"sync/atomic"
	"time"
)

// request is the context of one request of a client. Its fresh reads share what the first one has asked.
type request struct {
	context.Context
	asked atomic.Int64 // the uptime before the first fresh read; 0 before it
}

// requestKey is the key under which a request finds itself.
type requestKey struct{}

// Request returns a context of one request that comes now. A View shows at least what anyone was told of before the
// request came. So after the first View, those of the same request need not ask the database again: for RecentAge, and
// unless they run again because of a conflict.
func Request(ctx context.Context) context.Context { return &request{Context: ctx} }

// Value implements context.Context.
func (r *request) Value(key any) any {
	if key == (requestKey{}) {
		return r
	}
	return r.Context.Value(key)
}

// begin returns the uptime before the first fresh read of the request.
func (r *request) begin(now time.Duration) time.Duration {
	if r.asked.CompareAndSwap(0, max(1, int64(now))) {
		return now
	}
	return time.Duration(r.asked.Load())
}
