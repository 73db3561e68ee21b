package federation

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxFailureLines is how many failed fetches have a line in the log in each second. The next line says how many there
// were more. An issuer has a line once a minute while it fails, but everybody who may write credentials can name many.
const maxFailureLines = 10

// failureLog writes the lines of fetches that have failed. The zero value is ready to use. It is safe for concurrent
// use.
type failureLog struct {
	mu             sync.Mutex
	second         int64
	lines, dropped int
}

func (l *failureLog) note(ctx context.Context, log *slog.Logger, now time.Time, e *IssuerError) {
	dropped, allowed := l.allow(now.Unix())
	if !allowed {
		return
	}
	attrs := []slog.Attr{
		slog.String("issuer", shorten(e.Issuer)), slog.String("reason", string(e.Reason)), slog.String("cause", shorten(e.Detail.Error())),
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("not_logged", dropped))
	}
	log.LogAttrs(ctx, slog.LevelWarn, "the keys of an issuer could not be fetched", attrs...)
}

// allow reports whether a failure has a line, and how many before it had none.
func (l *failureLog) allow(second int64) (dropped int, allowed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if second != l.second {
		l.second, l.lines = second, 0
	}
	if l.lines >= maxFailureLines {
		l.dropped++
		return 0, false
	}
	l.lines++
	dropped, l.dropped = l.dropped, 0
	return dropped, true
}
