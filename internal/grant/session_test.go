package grant_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/grant"
	"midas/internal/store"
)

const (
	browserKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	lifetime   = 8 * time.Hour
)

func (f *fixture) session(t testing.TB, replaced string) string {
	t.Helper()
	id, name, err := f.BeginSession(t.Context(), grant.Session{TenantID: tenant, UserID: user, Authenticated: start, Idle: 2 * time.Hour}, browserKey, replaced, lifetime)
	if err != nil || id == "" || name == "" || strings.Contains(name, id) {
		t.Fatalf("id %q, name %q, error %v", id, name, err)
	}
	return id
}

func (f *fixture) good(t testing.TB, id string) bool {
	t.Helper()
	s, err := f.Session(t.Context(), id)
	if err != nil && !errors.Is(err, grant.ErrInvalid) {
		t.Fatal(err)
	}
	return err == nil && s.UserID == user && s.TenantID == tenant && s.Authenticated.Equal(start)
}

func TestSessionNeedsItsKey(t *testing.T) {
	f := newFixture(t)
	s, err := f.Session(t.Context(), f.session(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{browserKey: true, "": false, "x": false, browserKey + "A": false, strings.ToLower(browserKey): false} {
		if s.HasKey(key) != want {
			t.Errorf("key %q: %t", key, !want)
		}
	}
	for _, id := range []string{"", "x", s.Name(), strings.Repeat("x", 100_000)} {
		if f.good(t, id) {
			t.Errorf("id %.80q is valid", id)
		}
	}
}

// TestStoreHasNoSessionSecrets reads all records and looks for the session's id and the browser's key.
func TestStoreHasNoSessionSecrets(t *testing.T) {
	f := newFixture(t)
	id := f.session(t, "")
	err := f.Store.View(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if all := rec.Key + string(rec.Value); strings.Contains(strings.ToLower(all), strings.ToLower(id)) || strings.Contains(all, browserKey) {
				t.Errorf("a record has a secret: %s", all)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSessionsEnd(t *testing.T) {
	use := func(f *fixture, t *testing.T, id string) {
		s, err := f.Session(t.Context(), id)
		if err == nil {
			err = f.UseSession(t.Context(), s)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		do   func(*testing.T, *fixture, string)
		good bool
	}{
		{"just begun", func(*testing.T, *fixture, string) {}, true},
		{"just before it is idle", func(_ *testing.T, f *fixture, _ string) { f.advance(2*time.Hour - time.Second) }, true},
		{"idle", func(_ *testing.T, f *fixture, _ string) { f.advance(2 * time.Hour) }, false},
		{"used", func(t *testing.T, f *fixture, id string) {
			for range 4 {
				f.advance(110 * time.Minute)
				use(f, t, id)
			}
		}, true},
		{"used, but old", func(t *testing.T, f *fixture, id string) {
			for range 4 {
				f.advance(110 * time.Minute)
				use(f, t, id)
			}
			f.advance(40 * time.Minute)
		}, false},
		{"ended", func(t *testing.T, f *fixture, id string) {
			if err := errors.Join(f.EndSession(t.Context(), id), f.EndSession(t.Context(), id)); err != nil {
				t.Error(err)
			}
		}, false},
		{"replaced", func(t *testing.T, f *fixture, id string) { f.session(t, id) }, false},
		{"with MaxSessions in all", func(t *testing.T, f *fixture, _ string) {
			for range grant.MaxSessions - 1 {
				f.session(t, "")
			}
		}, true},
		{"with one more than MaxSessions", func(t *testing.T, f *fixture, _ string) {
			for range grant.MaxSessions {
				f.session(t, "")
			}
		}, false},
		{"with many sessions that were replaced", func(t *testing.T, f *fixture, _ string) {
			other := ""
			for range 3 * grant.MaxSessions {
				other = f.session(t, other)
			}
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			id := f.session(t, "")
			test.do(t, f, id)
			if got := f.good(t, id); got != test.good {
				t.Errorf("good: %t", got)
			}
		})
	}
}

// TestSweepRemovesEndedSessions signs a user in in many browsers, and sweeps after all sessions have ended.
func TestSweepRemovesEndedSessions(t *testing.T) {
	f := newFixture(t)
	for range 3 * grant.MaxSessions {
		f.session(t, "")
	}
	if n := f.keys(t, "d//session/"); n != grant.MaxSessions {
		t.Errorf("%d sessions of one user", n)
	}
	f.advance(lifetime + time.Hour)
	for range 20 {
		if _, err := f.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.keys(t, "d/"); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// TestConcurrentSessionsAreBounded begins sessions in many browsers at the same time.
func TestConcurrentSessionsAreBounded(t *testing.T) {
	f := newFixture(t)
	var group sync.WaitGroup
	for range 2 * grant.MaxSessions {
		group.Go(func() {
			for {
				_, _, err := f.BeginSession(t.Context(), grant.Session{TenantID: tenant, UserID: user, Idle: time.Hour}, browserKey, "", lifetime)
				if !errors.Is(err, store.ErrConflict) {
					if err != nil {
						t.Error(fmt.Errorf("begin: %w", err))
					}
					return
				}
			}
		})
	}
	group.Wait()
	if n := f.keys(t, "d//session/"); n != grant.MaxSessions {
		t.Errorf("%d sessions of one user", n)
	}
}

// TestSessionsRememberFewApplications uses one session for more applications than it remembers.
func TestSessionsRememberFewApplications(t *testing.T) {
	f := newFixture(t)
	id, name, err := f.BeginSession(t.Context(), grant.Session{TenantID: tenant, UserID: user, Idle: time.Hour}, browserKey, "", lifetime)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * grant.MaxSessionClients {
		for range 2 {
			if err := f.UseClient(t.Context(), name, fmt.Sprint("client ", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := f.Session(t.Context(), id)
	if err != nil || len(s.Clients) != grant.MaxSessionClients || s.Clients[0] != fmt.Sprint("client ", grant.MaxSessionClients) {
		t.Errorf("clients %q, %v", s.Clients, err)
	}
	ended, err := f.EndSessions(t.Context(), []string{"unknown", id})
	if err != nil || len(ended) != 1 || len(ended[0].Clients) != grant.MaxSessionClients || ended[0].Name() != name {
		t.Errorf("ended %v, %v", ended, err)
	}
	if err := f.UseClient(t.Context(), name, "late"); err != nil {
		t.Error(err)
	}
	if n := f.keys(t, "d//session/"); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}
