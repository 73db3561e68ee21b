package clocktest_test

import (
	"testing"
	"time"

	"midas/internal/clock/clocktest"
)

func TestSet(t *testing.T) {
	for _, d := range []time.Duration{13 * time.Hour, -time.Minute, 20 * 365 * 24 * time.Hour} {
		var c clocktest.Clock
		before, up := c.Now(), c.Uptime()
		c.Set(d)
		after := c.Now()
		if moved := after.Sub(before); moved < 0 || moved > time.Minute {
			t.Errorf("Set(%v) moved the monotonic clock by %v", d, moved)
		}
		if moved := after.Round(0).Sub(before.Round(0)) - d; moved < 0 || moved > time.Minute {
			t.Errorf("Set(%v) missed by %v", d, moved)
		}
		if moved := c.Uptime() - up; moved < 0 || moved > time.Minute {
			t.Errorf("Set(%v) moved the uptime by %v", d, moved)
		}
	}
}
