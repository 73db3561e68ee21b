package retention_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"midas/internal/clock/clocktest"
	"midas/internal/retention"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	hour = time.Hour
	year = 365 * 24 * hour
)

// machine is a machine whose clock can be set, with a store that survives its restarts.
type machine struct {
	clock *clocktest.Clock
	store store.Store
	log   bytes.Buffer
}

func (m *machine) open(t *testing.T) *retention.Guard {
	t.Helper()
	g, err := retention.Open(t.Context(), retention.Config{
		Store: m.store, Now: m.clock.Now, Uptime: m.clock.Uptime, Log: slog.New(slog.NewTextHandler(&m.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func allows(t *testing.T, m *machine, g *retention.Guard, want bool) {
	t.Helper()
	if got := g.Allows(m.clock.Now()); got != want {
		t.Errorf("allows %v, want %v; the log says %s", got, want, m.log.String())
	}
}

func TestNothingIsDeletedAfterTheClockWasSet(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"a year ahead": year, "an hour ahead": hour, "six minutes ahead": 6 * time.Minute, "six minutes behind": -6 * time.Minute, "a year behind": -year,
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
			g := m.open(t)
			m.clock.Forward(hour)
			allows(t, m, g, true)
			m.clock.Set(by)
			allows(t, m, g, false)
			m.clock.Forward(2 * time.Minute)
			allows(t, m, g, false)
			m.clock.Set(-by) // an operator sets the clock back
			allows(t, m, g, false)
			m.clock.Forward(retention.Doubt - time.Minute)
			allows(t, m, g, false)
			m.clock.Forward(2 * time.Minute)
			allows(t, m, g, true)
			if n := strings.Count(m.log.String(), "nothing is deleted"); n != 2 {
				t.Errorf("the guard logs %d warnings, want 2: %s", n, m.log.String())
			}
		})
	}
}

func TestSteadyClockAllowsDeletion(t *testing.T) {
	m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
	g := m.open(t)
	for _, step := range []struct{ forward, set time.Duration }{
		{hour, 0}, {30 * 24 * hour, 0}, {0, 4 * time.Minute}, {hour, -4 * time.Minute}, {0, 0},
	} {
		m.clock.Forward(step.forward)
		m.clock.Set(step.set)
		allows(t, m, g, true)
	}
	if m.log.Len() > 0 {
		t.Errorf("the guard logs %s", m.log.String())
	}
}

func TestStartComparesTheClockWithTheStoredTime(t *testing.T) {
	for name, tt := range map[string]struct {
		stopped, set time.Duration
		want         bool
	}{
		"at once": {0, 0, true}, "overnight": {16 * hour, 0, true}, "slightly behind": {0, -time.Minute, true},
		"at a date of next year": {time.Minute, year, false}, "at a date of last year": {time.Minute, -year, false},
		"after a long time": {60 * hour, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
			m.open(t)
			m.clock.Forward(tt.stopped)
			m.clock.Set(tt.set)
			allows(t, m, m.open(t), tt.want)
		})
	}
}

// Doubt survives restarts, and ends even if the server runs only a few hours a day.
func TestDoubtSurvivesRestarts(t *testing.T) {
	m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
	m.open(t)
	m.clock.Set(year)
	g := m.open(t)
	allows(t, m, g, false)
	m.clock.Forward(8 * hour)
	if err := g.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.clock.Forward(15 * hour)
	g = m.open(t)
	allows(t, m, g, false)
	m.clock.Forward(hour)
	allows(t, m, g, true)
	if err := g.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	allows(t, m, m.open(t), true)
}

// In a store of an earlier version, without a mark, the newest event is the time that it has seen.
func TestStoreWithoutAMarkUsesItsNewestEvent(t *testing.T) {
	for name, tt := range map[string]struct {
		age  time.Duration
		want bool
	}{"an hour ago": {hour, true}, "a year ago": {year, false}, "in a year": {-year, false}} {
		t.Run(name, func(t *testing.T) {
			m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
			event := `{"v":1,"time":"` + time.Now().Add(-tt.age).UTC().Format(time.RFC3339) + `"}`
			if _, err := m.store.Update(t.Context(), func(tx store.Tx) error {
				tx.Put(store.EventKind.Keys+"1", []byte(event))
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			allows(t, m, m.open(t), tt.want)
		})
	}
}

func TestNilGuardAllowsEverything(t *testing.T) {
	var g *retention.Guard
	if !g.Allows(time.Now().Add(20 * year)) {
		t.Error("a nil guard refuses")
	}
}

func TestNothingIsDeletedWhileClocksOfReplicasDiffer(t *testing.T) {
	m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
	g := m.open(t)
	agree := false
	g.Agree = func() bool { return agree }
	allows(t, m, g, false)
	agree = true // nobody has to wait for a day: this machine's clock has not moved
	allows(t, m, g, true)
}
