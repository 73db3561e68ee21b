package federation

import (
	"time"

	"midas/internal/clock"
	"midas/internal/token"
)

// InTime reports whether an assertion is valid now, with clock.Skew for the clock of its issuer. It must have an end.
// How long it is valid is for its issuer to say: tokens of Kubernetes can be valid for a year.
func InTime(a *token.Assertion, now time.Time) bool {
	return clock.Begun(a.NotBefore, now) && clock.Begun(a.IssuedAt, now) && now.Add(-clock.Skew).Before(a.Expires)
}
