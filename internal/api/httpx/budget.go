package httpx

import (
	"context"
	"runtime"
	"sync"
)

// DefaultAnswerBytes is how many bytes of answers a Budget holds if it is not told.
const DefaultAnswerBytes = 128 << 20

// counted is the shortest body that a Budget counts. Shorter ones cost less than the stream that they
// are sent on.
const counted = 4 << 10

// share divides what is free of a Budget: one caller may hold at most as much as a share of the rest.
// So a caller who does not read holds a fifth, ten of them hold five sevenths, and there is always
// something left for one more.
const share = 4

// listsPerCore is how many lists are made at once for each core. A page takes some MiB before it is an
// answer that is counted, and more at a time would not be ready earlier.
const listsPerCore = 4

// Budget bounds the bytes of answers that clients have been given and not read yet. Each answer is held
// in memory as a whole, so a client that asks much and reads nothing would otherwise decide how much
// memory the server takes. For the same reason it bounds how many lists are made at once: the others wait,
// and nothing is read for them yet. It is safe for concurrent use.
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

// take reserves n bytes for a caller, or tells that there is no room for them.
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

// Held tells how many bytes are reserved, and by how many callers.
func (b *Budget) Held() (bytes int64, callers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, len(b.by)
}

// Making tells how many lists are being made.
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
