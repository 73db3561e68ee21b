package federation

import (
	"context"
	"log/slog"
	"time"
)

// maxFailureLines is how many failed fetches have a line in the log in each second. The next line says how many there
// were more. An issuer has a line once a minute while it fails, but everybody who may write credentials can name many.
const maxFailureLines = 10

// noteFailure writes the line of a fetch that has failed.
func (i *Issuers) noteFailure(ctx context.Context, now time.Time, e *IssuerError) {
	dropped, allowed := i.failures.Allow(now)
	if !allowed {
		return
	}
	attrs := []slog.Attr{
		slog.String("issuer", shorten(e.Issuer)), slog.String("reason", string(e.Reason)), slog.String("cause", shorten(e.Detail.Error())),
	}
	if dropped > 0 {
		attrs = append(attrs, slog.Int("not_logged", dropped))
	}
	i.log.LogAttrs(ctx, slog.LevelWarn, "the keys of an issuer could not be fetched", attrs...)
}
