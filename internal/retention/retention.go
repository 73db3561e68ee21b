// Package retention decides whether records may be deleted for their age.
//
// Whether something is over is a comparison with the wall clock, and a wall clock can be wrong: two
// minutes at a date of next year, and everything that is kept for a time would be deleted for good. To
// refuse what seems to be over does no lasting harm, because it is good again when the clock is. So all
// jobs that delete for age ask one Guard. It compares the wall clock with the time that has passed since
// the machine was started, and, when a server starts, with the time that the store has seen. When the wall
// clock has moved by more than that explains, in either direction, nothing is deleted for its age until
// the clock has been steady for Doubt.
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
	// Doubt is for how long nothing is deleted after the wall clock has jumped, by the wall clock and
	// across restarts. It should be enough for somebody, or for NTP, to notice a wrong clock.
	Doubt = 24 * time.Hour

	// MaxGap is how long a server may have been stopped for its clock to be believed when it starts.
	MaxGap = 24 * time.Hour

	lookEvery = time.Minute
	saveEvery = time.Hour
)

// marks are the records of what the store has seen of the time. There is one.
var marks = store.Table[mark]{Kind: store.ClockKind}

// events are those of the activity log, of which only the time is read.
var events = store.Table[struct {
	Time time.Time `json:"time"`
}]{Kind: store.EventKind}

var markKey = store.ClockKind.Keys

type mark struct {
	Seen    time.Time `json:"seen"`             // the newest look
	Doubted time.Time `json:"doubted,omitzero"` // when the clock jumped last, if that is less than Doubt ago
}

// Config is what a Guard needs. Store, Now and Log are required.
type Config struct {
	Store  store.Store
	Now    func() time.Time     // the wall clock
	Uptime func() time.Duration // nil stands for clock.Uptime
	Log    *slog.Logger
}

// Guard tells whether the wall clock can be believed. It is safe for concurrent use. A nil Guard believes
// every clock.
type Guard struct {
	Config

	mu     sync.Mutex
	mark   mark
	uptime time.Duration // at mark.Seen
	saved  time.Duration // the uptime of the newest save
	dirty  bool          // something has to be saved at once
}

// Open makes a guard and compares the wall clock with the time that the store has seen: by an earlier
// guard, or else by the newest entry of the activity log.
func Open(ctx context.Context, c Config) (*Guard, error) {
	if c.Uptime == nil {
		c.Uptime = clock.Uptime()
	}
	g := &Guard{Config: c}
	before, stored, err := g.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what time the store has seen: %w", err)
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
	if !g.dirty { // a start writes nothing that is not new
		g.saved = g.uptime - gap
		return g, nil
	}
	return g, g.save(ctx)
}

// load gives the stored mark of an earlier guard, or one made of the newest event.
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

// Allows reports whether what is over at now, a time of the wall clock, may be deleted.
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
	return g.mark.Doubted.IsZero()
}

// doubt notes that the wall clock has jumped.
func (g *Guard) doubt(now time.Time, moved time.Duration) {
	g.mark.Doubted, g.dirty = now, true
	g.Log.Warn("the clock has moved by more than the time that has passed, or the server was stopped for long: nothing is deleted for its age until the clock has been steady for a day",
		"moved", moved.Round(time.Second).String(), "now", now.UTC(), "until", now.Add(Doubt).UTC())
}

// settle ends a doubt that is old enough.
func (g *Guard) settle(now time.Time) {
	if !g.mark.Doubted.IsZero() && now.Sub(g.mark.Doubted) >= Doubt {
		g.mark.Doubted, g.dirty = time.Time{}, true
		g.Log.Info("the clock has been steady for a day: what is over is deleted again")
	}
}

// Run looks at the clock once a minute and keeps what it sees, until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := g.Look(ctx); err != nil && ctx.Err() == nil {
			g.Log.WarnContext(ctx, "the time that was seen could not be kept, trying again", "cause", err)
		}
	}
}

// Look looks at the clock and keeps what it has seen when there is something new, else once an hour.
func (g *Guard) Look(ctx context.Context) error {
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
		return fmt.Errorf("keep what time was seen: %w", err)
	}
	g.saved = uptime
	return nil
}
