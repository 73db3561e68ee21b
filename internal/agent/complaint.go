package agent

import (
	"strings"
	"time"

	"midas/internal/clock"
)

const (
	// A cause that goes on is logged again after firstSilence, and then after twice as long each time,
	// at most lastSilence.
	firstSilence = time.Minute
	lastSilence  = time.Hour

	// maxCauses bounds how many causes are told apart.
	maxCauses = 8
)

// complaints decides which failures are worth a line in the log: a cause that was not there before, at
// once, and one that goes on, now and then. Not safe for concurrent use.
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
		cause = "" // all further causes share one place
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

// forget begins anew after a success. It reports whether there was anything to complain of.
func (c *complaints) forget() bool {
	any := len(c.causes) > 0
	c.causes = nil
	return any
}

// causeOf gives an error's text without its digits, which are mostly ports and times.
func causeOf(err error) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, err.Error())
}
