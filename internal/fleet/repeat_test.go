package fleet_test

import (
	"errors"
	"sync"
	"testing"

	"midas/internal/activity"
	"midas/internal/fleet"
)

// TestARepeatedEnrollmentIsTheSame repeats requests whose answers the host may have lost, one after the other and at the
// same time. Another key, a token after its end, and a host that was removed are refused.
func TestARepeatedEnrollmentIsTheSame(t *testing.T) {
	b := setup(t)
	token, asked := b.newToken(t), request(t)
	first, err := b.Enroll(t.Context(), token, asked, "192.0.2.1")
	must(t, err)
	var waits sync.WaitGroup
	for range 4 {
		waits.Go(func() {
			again, err := b.Enroll(t.Context(), token, asked, "192.0.2.9")
			if err != nil || again.Host.ID != first.Host.ID || again.Host.Address != "192.0.2.1" {
				t.Errorf("again: %+v %v", again.Host, err)
				return
			}
			if got, err := b.Authenticate(t.Context(), certificate(t, again)); err != nil || got.ID != first.Host.ID {
				t.Errorf("authenticated as %v (%v)", got.ID, err)
			}
		})
	}
	waits.Wait()
	all, err := b.Hosts(t.Context(), parse(t, vm))
	if err != nil || len(all) != 1 {
		t.Errorf("%d hosts (%v)", len(all), err)
	}
	refused := func(name string, asked []byte) {
		t.Helper()
		if _, err := b.Enroll(t.Context(), token, asked, ""); !errors.Is(err, fleet.ErrEnrollmentToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	refused("another key", request(t))
	must(t, b.Sweep(t.Context()))
	if _, err := b.Enroll(t.Context(), token, asked, ""); err != nil {
		t.Errorf("after a sweep: %v", err)
	}
	b.forward(fleet.EnrollmentTokenLifetime)
	refused("after the end of the token", asked)
	must(t, b.Sweep(t.Context()))

	token, asked = b.newToken(t), request(t)
	gone, err := b.Enroll(t.Context(), token, asked, "")
	must(t, err)
	_, err = b.Revoke(t.Context(), activity.Event{}, parse(t, vm), gone.Host.ID)
	must(t, err)
	refused("a host that was removed", asked)
}
