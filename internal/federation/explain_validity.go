package federation

import (
	"fmt"
	"time"

	"midas/internal/clock"
	"midas/internal/token"
)

// Validity says what is wrong with the times of an assertion at a time of this server's clock. It has no findings
// exactly if InTime is true.
func validityFindings(a *token.Assertion, now time.Time) (all []Finding) {
	now = now.Round(0)
	switch {
	case a.Expires.IsZero():
		all = append(all, found(Validity, "The token has no time of expiry (exp), and a token without one is refused."))
	case !now.Add(-clock.Skew).Before(a.Expires):
		all = append(all, found(Validity, "The token has expired: exp is %s, this server's clock says %s, which is %s later; %s are allowed. Get a new token from the issuer.%s",
			stamp(a.Expires), stamp(now), distance(now.Sub(a.Expires)), distance(clock.Skew), lifetime(a)))
	}
	for _, begin := range []struct {
		claim string
		at    time.Time
	}{{"nbf", a.NotBefore}, {"iat", a.IssuedAt}} {
		if !clock.Begun(begin.at, now) {
			all = append(all, found(Validity, "The token is not valid yet: %s is %s, this server's clock says %s, which is %s earlier; %s are allowed. Compare the clocks of the issuer and of this server.",
				begin.claim, stamp(begin.at), stamp(now), distance(begin.at.Sub(now)), distance(clock.Skew)))
		}
	}
	return all
}

// lifetime says for how long a token was valid, if that is known.
func lifetime(a *token.Assertion) string {
	if a.IssuedAt.IsZero() || !a.Expires.After(a.IssuedAt) {
		return ""
	}
	return " It was valid for " + distance(a.Expires.Sub(a.IssuedAt)) + " from its issue."
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// distance writes a duration in whole seconds.
func distance(d time.Duration) string {
	d = d.Round(time.Second)
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%d days", d/day)
	case d >= time.Minute && d%time.Minute == 0 && d < time.Hour:
		return plural(int(d/time.Minute), "minute")
	case d < time.Minute:
		return plural(int(d/time.Second), "second")
	}
	return d.String()
}

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
