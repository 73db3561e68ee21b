package httpx

import (
	"context"
	"runtime"
	"sync"
)

// DefaultAnswerBytes is the size of the Budget, in bytes, if Options.Answers is nil.
const DefaultAnswerBytes = 128 << 20

// minCounted is the length, in bytes, of the shortest body that a Budget counts. A shorter body takes less
// memory than the stream on which it is sent.
const minCounted = 4 << 10

// share divides the free part of a Budget: one caller may hold at most a quarter of the bytes that the budget
// then has left. So one caller that does not read holds at most a fifth of the budget, ten such callers hold
// five sevenths, and some bytes are always free for another caller.
const share = 4

// listsPerCore is the number of lists that are made at once for each core. A page takes some MiB of memory
// before it is an answer that is counted. Making more pages at once would not be faster.
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
	by   map[string]int64 // bytes by caller; a caller without reserved bytes has no entry
}

// NewBudget makes a budget of total bytes.
func NewBudget(total int64) *Budget {
	return &Budget{total: total, making: make(chan struct{}, listsPerCore*runtime.GOMAXPROCS(0)), by: map[string]int64{}}
}

// reserve reserves n bytes for a caller. It reports false if the caller may not hold so many.
func (b *Budget) reserve(n int64, caller string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if had := b.by[caller]; had+n > (b.total-b.held+had)/(share+1) {
		return false
	}
	b.held += n
	b.by[caller] += n
	return true
}

// release frees n bytes that reserve has reserved for a caller.
func (b *Budget) release(n int64, caller string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held -= n
	if b.by[caller] -= n; b.by[caller] <= 0 {
		delete(b.by, caller)
	}
}

// Held returns the number of reserved bytes and the number of callers that hold them.
func (b *Budget) Held() (bytes int64, callers int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, len(b.by)
}

// Making returns the number of lists that are being made.
func (b *Budget) Making() int { return len(b.making) }

// beginList waits until one more list may be made. It returns the error of ctx if ctx ends first.
func (b *Budget) beginList(ctx context.Context) error {
	select {
	case b.making <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// endList ends a list that beginList has begun.
func (b *Budget) endList() { <-b.making }
