package midas_test

import (
	"strings"
	"testing"

	"midas"
)

// TestTheOriginOfReplicasIsChanged at one of three replicas. All end, and start again only with the new one or without one.
func TestTheOriginOfReplicasIsChanged(t *testing.T) {
	open := sharedStore(t)
	r := startReplicasOn(t, open)
	old := r.token(t, 0)
	if err := midas.SetOrigin(t.Context(), r.cfgs[1], "http://new.test"); err == nil || !strings.Contains(err.Error(), "is not https://HOST") {
		t.Errorf("a wrong URL: %v", err)
	}
	if err := midas.SetOrigin(t.Context(), quietOn(r.cfgs[1]), "https://new.test"); err != nil {
		t.Fatal(err)
	}
	for i, s := range r.servers {
		<-s.Done()
		if err := s.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "https://new.test") {
			t.Errorf("replica %d ends with %v", i, err)
		}
	}
	if _, err := midas.StartOn(t.Context(), r.cfgs[0], open); err == nil || !strings.Contains(err.Error(), "https://new.test") {
		t.Errorf("a start with the old origin: %v", err)
	}
	for i, origin := range []string{"", "https://new.test"} {
		cfg := r.cfgs[i]
		cfg.Origin = origin
		s, err := midas.StartOn(t.Context(), cfg, open)
		if err != nil {
			t.Fatalf("a start with origin %q: %v", origin, err)
		}
		t.Cleanup(func() { _ = s.Close() })
		if s.Admin().Endpoint != "https://new.test" {
			t.Errorf("the origin is %s", s.Admin().Endpoint)
		}
		r.admins[i] = administratorAt(t, cfg.Data)
		if status, _ := r.arm(t, i, "GET", "/subscriptions?api-version=2022-12-01", r.token(t, i)); status != 200 {
			t.Errorf("a new token: %d", status)
		}
		if status, _ := r.arm(t, i, "GET", "/subscriptions?api-version=2022-12-01", old); status != 401 {
			t.Errorf("a token of the old issuer: %d", status)
		}
	}
}

func TestTheOriginOfAServerAloneIsItsConfiguration(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	shutdown(t, start(t, cfg))
	if err := midas.SetOrigin(t.Context(), cfg, "https://new.test"); err == nil || !strings.Contains(err.Error(), "--origin") {
		t.Error(err)
	}
}
