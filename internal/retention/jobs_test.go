package retention_test

import (
	"midas/internal/seal"
	"testing"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/clock/clocktest"
	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// count returns the number of keys with a prefix.
func count(t *testing.T, st store.Store, prefix string) (n int) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		n = 0
		for _, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if n++; err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Two minutes at a date in the next year delete nothing while the jobs run. After the clock has been steady
// for Doubt, the jobs delete expired records.
func TestJobsDeleteNothingWhileTheClockIsWrong(t *testing.T) {
	m := &machine{clock: &clocktest.Clock{}, store: storetest.Memory(t)}
	guard := m.open(t)
	now := m.clock.Now
	log := &activity.Log{Store: m.store, Now: now, NewID: uuid.NewString, MaxAge: 90 * 24 * hour, Retention: guard}
	sealer, err := grant.NewSealer(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	grants := &grant.Grants{Store: m.store, Sealer: sealer, Now: now, NewID: uuid.NewString, Retention: guard}
	for range 3 {
		if err := log.Record(t.Context(), activity.Event{Operation: "x/write"}); err != nil {
			t.Fatal(err)
		}
		if _, err := grants.Begin(t.Context(), grant.Grant{TenantID: "t", UserID: "u", ClientID: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	jobs := func() {
		t.Helper()
		if err := log.Trim(t.Context()); err != nil {
			t.Error(err)
		}
		for n := 1; n > 0; {
			if n, err = grants.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := func(events, families int, when string) {
		t.Helper()
		if e, f := count(t, m.store, store.EventKind.Keys), count(t, m.store, "d/t/rt/"); e != events || f != families {
			t.Errorf("%s: %d events and %d families are left, want %d and %d", when, e, f, events, families)
		}
	}
	m.clock.Set(year)
	jobs()
	m.clock.Forward(2 * 60e9)
	jobs()
	kept(3, 3, "at a wrong date")
	m.clock.Set(-year)
	jobs()
	kept(3, 3, "after the clock was corrected")
	for range 100 { // the guard checks the clock while time passes
		m.clock.Forward(24 * hour)
		guard.Allows(now())
	}
	jobs()
	kept(0, 0, "after all records have expired")
}
