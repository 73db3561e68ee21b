package agent

import (
	"strings"
	"time"

	"midas/internal/clock"
)

const (
	// A repeated cause is logged again after firstSilence. The interval then doubles each time, up to
	// lastSilence.
	firstSilence = time.Minute
	lastSilence  = time.Hour

	// maxCauses bounds the causes that are counted separately. All others are counted together.
	maxCauses = 8
)

// complaints limits how often a repeated failure is logged: a new cause at once, a repeated one at growing
// intervals. It is not safe for concurrent use.
type complaints struct{ causes map[string]*complaint }

type complaint struct {
	logged  time.Time
	silence time.Duration
}

// worth reports whether a failure should be logged now.
func (c *complaints) worth(err error, now time.Time) bool {
	cause := causeOf(err)
	known := c.causes[cause]
	switch {
	case known == nil && len(c.causes) >= maxCauses:
		cause = "" // all further causes share one entry
		if known = c.causes[cause]; known == nil {
			c.causes[cause] = &complaint{now, firstSilence}
			return true
		}
	case known == nil:
		if c.causes == nil {
			c.causes = map[string]*complaint{}
		}
		c.causes[cause] = &complaint{now, firstSilence}
		return true
	}
	if !clock.Over(known.logged, known.silence, now) {
		return false
	}
	known.logged, known.silence = now, min(2*known.silence, lastSilence)
	return true
}

// forget removes all causes after a success. It reports whether there were any.
func (c *complaints) forget() bool {
	any := len(c.causes) > 0
	c.causes = nil
	return any
}

// causeOf returns an error's text without its digits, which are mostly ports and times.
func causeOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}
