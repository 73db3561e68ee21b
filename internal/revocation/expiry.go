package revocation

import (
	"context"
	"log/slog"
	"time"

	"midas/internal/clock"
	"midas/internal/directory"
	"midas/internal/retention"
)

// expireEvery is how often expired revocations are removed. It affects only the size of the lists.
const expireEvery = 10 * time.Minute

// Expiry removes the revocations whose last token has expired. Directory, Now and Log are required.
type Expiry struct {
	Directory *directory.Directory
	Retention *retention.Guard // decides whether records may be deleted by age; nil allows it always
	Now       func() time.Time
	Log       *slog.Logger
}

// Run calls Expire every ten minutes until ctx ends. It logs errors and tries again in the next round.
func (e *Expiry) Run(ctx context.Context) error {
	clock.Every(ctx, expireEvery, func(ctx context.Context) {
		if err := e.Expire(ctx); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "expired revocations could not be removed, trying again", "cause", err)
		}
	})
	return nil
}

// Count corrects this process's estimate of the number of revocations every ten minutes until ctx ends. Every replica
// runs it, because only one of them runs Run.
func (e *Expiry) Count(ctx context.Context) error {
	clock.Every(ctx, expireEvery, func(ctx context.Context) {
		if err := e.Directory.CountRevocations(ctx); err != nil && ctx.Err() == nil {
			e.Log.WarnContext(ctx, "the revocations could not be counted, trying again", "cause", err)
		}
	})
	return nil
}

// Expire removes the expired revocations, if Retention allows it.
func (e *Expiry) Expire(ctx context.Context) error {
	if !e.Retention.Allows(e.Now()) {
		return e.Directory.CountRevocations(ctx)
	}
	_, err := e.Directory.ExpireRevocations(ctx)
	return err
}
