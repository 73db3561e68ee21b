// Package retention decides whether records may be deleted by age.
//
// The wall clock can be wrong: two minutes at a date in the next year, and jobs would delete all records
// with a retention period. Refusing something as expired can be undone by setting the clock; a deletion
// cannot. So all jobs that delete records by age ask one Guard. It compares the wall clock with the time
// since the machine was booted, and at the start of a server with the time in the store. If the wall clock
// has moved by more than that explains, in either direction, nothing is deleted by age until the clock has
// been steady for Doubt.
package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"midas/internal/clock"
	"midas/internal/store"
)

const (
	// Doubt is for how long nothing is deleted after the wall clock has jumped. It is measured by the wall
	// clock and across restarts, and long enough for an operator or NTP to correct a wrong clock.
	Doubt = 24 * time.Hour

	// MaxGap is the longest downtime after which a server trusts its clock at the start.
	MaxGap = 24 * time.Hour

	checkInterval = time.Minute
	saveEvery     = time.Hour
)

// marks is the table of the time that the store has seen. It has one record.
var marks = store.Table[mark]{Kind: store.ClockKind}

// events is the activity log, of which only the time is read.
var events = store.Table[struct {
	Time time.Time `json:"time"`
}]{Kind: store.EventKind}

var markKey = store.ClockKind.Keys

type mark struct {
	Seen    time.Time `json:"seen"`             // the last check
	Doubted time.Time `json:"doubted,omitzero"` // the last jump of the clock, if less than Doubt ago
}

// Config is what a Guard needs. Store, Now and Log are required.
type Config struct {
	Store  store.Store
	Now    func() time.Time     // the wall clock
	Uptime func() time.Duration // nil means clock.Uptime
	Log    *slog.Logger

	// Agree reports whether the wall clocks of all replicas that use the store agree. While they do not, nothing is
	// deleted by age: a replica whose clock is ahead would delete what the others still accept. Nil: there is one.
	Agree func() bool
}

// Guard decides whether the wall clock can be trusted. It is safe for concurrent use. A nil Guard always
// trusts it.
type Guard struct {
	Config

	mu     sync.Mutex
	mark   mark
	uptime time.Duration // at mark.Seen
	saved  time.Duration // the uptime at the last save
	dirty  bool          // the mark must be saved at once
}

// Open returns a guard. It compares the wall clock with the time that an earlier guard has stored, or
// otherwise with the newest entry of the activity log.
func Open(ctx context.Context, c Config) (*Guard, error) {
	if c.Uptime == nil {
		c.Uptime = clock.Uptime()
	}
	g := &Guard{Config: c}
	before, stored, err := g.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the last time in the store: %w", err)
	}
	now := c.Now().Round(0)
	gap := now.Sub(before.Seen)
	g.mark, g.uptime, g.dirty = before, c.Uptime(), !stored || gap >= saveEvery
	switch {
	case before.Seen.IsZero(): // an empty store
	case gap > MaxGap, gap < -clock.Skew:
		g.doubt(now, gap)
	}
	g.mark.Seen = now
	g.settle(now)
	if !g.dirty { // a restart with nothing new writes nothing
		g.saved = g.uptime - gap
		return g, nil
	}
	return g, g.save(ctx)
}

// load returns the stored mark of an earlier guard, or one with the time of the newest event.
func (g *Guard) load(ctx context.Context) (m mark, stored bool, err error) {
	err = g.Store.View(ctx, func(tx store.Tx) error {
		m, err = marks.Get(tx, markKey)
		if stored = err == nil; stored || !errors.Is(err, store.ErrNotFound) {
			return err
		}
		for event, err := range events.Scan(tx, store.Range{Prefix: store.EventKind.Keys, Reverse: true, Limit: 1}) {
			if err != nil {
				return err
			}
			m.Seen = event.Data.Time
		}
		return nil
	})
	return m, stored, err
}

// Allows reports whether records that have expired at now, a time of the wall clock, may be deleted.
func (g *Guard) Allows(now time.Time) bool {
	if g == nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.look(now)
}

// look compares the clocks. The caller holds mu.
func (g *Guard) look(now time.Time) bool {
	now = now.Round(0)
	uptime := g.Uptime()
	if moved := now.Sub(g.mark.Seen) - (uptime - g.uptime); moved > clock.Skew || moved < -clock.Skew {
		g.doubt(now, moved)
	}
	g.mark.Seen, g.uptime = now, uptime
	g.settle(now)
	return g.mark.Doubted.IsZero() && (g.Agree == nil || g.Agree())
}

// doubt records that the wall clock has jumped.
func (g *Guard) doubt(now time.Time, moved time.Duration) {
	g.mark.Doubted, g.dirty = now, true
	g.Log.Warn("the clock has moved by more than the time that has passed, or the server was stopped for long: nothing is deleted by age until the clock has been steady for a day",
		"moved", moved.Round(time.Second).String(), "now", now.UTC(), "until", now.Add(Doubt).UTC())
}

// settle ends a doubt that is older than Doubt.
func (g *Guard) settle(now time.Time) {
	if !g.mark.Doubted.IsZero() && now.Sub(g.mark.Doubted) >= Doubt {
		g.mark.Doubted, g.dirty = time.Time{}, true
		g.Log.Info("the clock has been steady for a day: expired records are deleted again")
	}
}

// Run calls Check once a minute until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	clock.Every(ctx, checkInterval, func(ctx context.Context) {
		if err := g.Check(ctx); err != nil && ctx.Err() == nil {
			g.Log.WarnContext(ctx, "the current time could not be stored, trying again", "cause", err)
		}
	})
	return nil
}

// Check compares the clocks, and stores the result at once after a jump and otherwise once an hour.
func (g *Guard) Check(ctx context.Context) error {
	g.Allows(g.Now())
	g.mu.Lock()
	due := g.dirty || g.uptime-g.saved >= saveEvery
	g.mu.Unlock()
	if !due {
		return nil
	}
	return g.save(ctx)
}

func (g *Guard) save(ctx context.Context) error {
	g.mu.Lock()
	m, uptime := g.mark, g.uptime
	g.dirty = false
	g.mu.Unlock()
	_, err := g.Store.Update(ctx, func(tx store.Tx) error { return marks.Put(tx, markKey, m) })
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.dirty = true
		return fmt.Errorf("store the current time: %w", err)
	}
	g.saved = uptime
	return nil
}
