package throttle

import (
	"sync"
	"time"
)

// Lines limits the lines that strangers can cause in a log: at most Max in each second, and the next line after that
// says how many had none. It is safe for concurrent use and must not be copied.
type Lines struct {
	Max int

	mu             sync.Mutex
	second         int64
	lines, dropped int
}

// Allow reports whether there may be a line now, and how many before it had none.
func (l *Lines) Allow(now time.Time) (dropped int, allowed bool) {
	second := now.Unix()
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines >= l.Max {
		l.dropped++
		return 0, false
	}
	l.lines++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}
