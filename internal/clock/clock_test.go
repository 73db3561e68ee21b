package clock_test

import (
	"testing"
	"time"

	"midas/internal/clock"
	"midas/internal/clock/clocktest"
)

func TestElapsedIsTheLargerReading(t *testing.T) {
	for name, tt := range map[string]struct {
		passes, set time.Duration
		least, most time.Duration
	}{
		"time passes":                 {passes: time.Hour, least: time.Hour, most: 2 * time.Hour},
		"suspended":                   {set: time.Hour, least: time.Hour, most: 2 * time.Hour},
		"set back meanwhile":          {passes: time.Hour, set: -3 * time.Hour, least: time.Hour, most: 2 * time.Hour},
		"set back":                    {set: -3 * time.Hour, least: 0, most: time.Minute},
		"time passes, then suspended": {passes: time.Hour, set: time.Hour, least: 2 * time.Hour, most: 3 * time.Hour},
		"nothing happens":             {most: time.Minute},
		"a snapshot of last month":    {set: 30 * 24 * time.Hour, least: 30 * 24 * time.Hour, most: 31 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var c clocktest.Clock
			since := c.Now()
			c.Forward(tt.passes)
			c.Set(tt.set)
			if got := clock.Elapsed(since, c.Now()); got < tt.least || got > tt.most {
				t.Errorf("Elapsed %v, want %v to %v", got, tt.least, tt.most)
			}
			if tt.least > 0 && !clock.Over(since, tt.least, c.Now()) {
				t.Errorf("not over after %v", tt.least)
			}
			if clock.Over(since, tt.most, c.Now()) {
				t.Errorf("over before %v", tt.most)
			}
		})
	}
}

func TestBegunAllowsForSkew(t *testing.T) {
	now := time.Now()
	for start, want := range map[time.Time]bool{
		{}: true, now: true, now.Add(-time.Hour): true, now.Add(clock.Skew - time.Second): true, now.Add(clock.Skew + time.Second): false,
	} {
		if clock.Begun(start, now) != want {
			t.Errorf("Begun(%v) is not %v", start.Sub(now), want)
		}
	}
	var c clocktest.Clock
	made := c.Now()
	c.Set(-time.Minute)
	if !clock.Begun(made, c.Now()) {
		t.Error("Begun is false for a time from just before the clock was set back by a minute")
	}
	c.Set(-time.Hour)
	if clock.Begun(made, c.Now()) {
		t.Error("Begun is true for a time from a clock that was an hour ahead")
	}
}

func TestUptimeDoesNotDecrease(t *testing.T) {
	up := clock.Uptime()
	if a, b := up(), up(); a < 0 || b < a {
		t.Errorf("uptime %v, then %v", a, b)
	}
}
