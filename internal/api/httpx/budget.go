package httpx

import (
	"context"
	"runtime"
	"sync"
)

// DefaultAnswerBytes is the size of a Budget if Options give none.
const DefaultAnswerBytes = 128 << 20

// counted is the shortest body that a Budget counts. Shorter ones cost less than the stream that they
// are sent on.
const counted = 4 << 10

// share divides the free part of a Budget: one caller may hold at most a share of what is free. So one
// caller that does not read holds a fifth at most, ten of them hold five sevenths, and there is always
// some room for another caller.
const share = 4

// listsPerCore is how many lists are made at once for each core. A page takes some MiB of memory before it
// is an answer that is counted, and making more at a time would not be faster.
const listsPerCore = 4

// Budget bounds the bytes of answers that clients have not read yet. Each answer is in memory as a whole,
// so a client that sends many requests and reads no answers could otherwise fill the server's memory. For
// the same reason a Budget bounds how many lists are made at once: other requests wait, and the store is
// not read for them yet. It is safe for concurrent use.
type Budget struct {
	total  int64
	making chan struct{} // has an element for each list that is being made

	mu   sync.Mutex
	held int64
	by   map[string]int64 // by caller; those who hold nothing are not in it
}

// NewBudget makes a budget of so many bytes.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, making: make(chan struct{}, listsPerCore*runtime.GOMAXPROCS(0)), by: map[string]int64{}}
}

// take reserves n bytes for a caller, and reports whether there was room for them.
func (b *Budget) take(n int64, caller string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if had := b.by[caller]; had+n > (b.total-b.held+had)/(share+1) {
		return false
	}
	b.held += n
	b.by[caller] += n
	return true
}

// give returns what take has reserved.
func (b *Budget) give(n int64, caller string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
	if b.by[caller] -= n; b.by[caller] <= 0 {
		delete(b.by, caller)
	}
}

// Held gives how many bytes are reserved, and by how many callers.
func (b *Budget) Held() (bytes int64, callers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, len(b.by)
}

// Making gives how many lists are being made.
func (b *Budget) Making() int { return len(b.making) }

// begin waits until one more list may be made. The error is that of ctx.
func (b *Budget) begin(ctx context.Context) error {
	select {
	case b.making <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// made ends what begin has begun.
func (b *Budget) made() { <-b.making }
