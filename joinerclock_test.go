//go:build cluster

package midas

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestAMachineWithAnotherClockDoesNotJoin: tokens of a machine whose clock is an hour or a day off are refused by the
// other members, and it refuses theirs.
func TestAMachineWithAnotherClockDoesNotJoin(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, off := range []time.Duration{0, 4 * time.Minute, -4 * time.Minute} {
		if err := checkClock(now.Add(off), now); err != nil {
			t.Errorf("%s: %v", off, err)
		}
	}
	if err := checkClock(time.Time{}, now); err != nil {
		t.Errorf("an offer of an earlier version: %v", err)
	}
	for _, off := range []time.Duration{6 * time.Minute, time.Hour, -time.Hour, 24 * time.Hour, -24 * time.Hour} {
		err := checkClock(now.Add(off), now)
		if err == nil || !strings.Contains(err.Error(), "2026-01-02T03:04:05Z") || !strings.Contains(err.Error(), now.Add(off).Format(time.RFC3339)) {
			t.Errorf("%s: %v", off, err)
		}
	}
}

// TestAMemberWaitsWhenItLosesItsMajorityWhileItStarts: if it ended, the others would miss it.
func TestAMemberWaitsWhenItLosesItsMajorityWhileItStarts(t *testing.T) {
	lost, removed := errors.New("does not answer in time"), errors.New("removed")
	for _, c := range []struct {
		fails int   // attempts to open the store
		wait  error // of the wait for a majority
		want  error
	}{{0, removed, nil}, {1, nil, nil}, {2, nil, nil}, {3, nil, lost}, {1, removed, removed}} {
		opened := 0
		err := withMajority(t.Context(), func(context.Context) error { return c.wait }, func(context.Context) error {
			if opened++; opened <= c.fails {
				return lost
			}
			return nil
		})
		if !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
