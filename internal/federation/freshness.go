package federation

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The times of fetched keys.
const (
	// shortestFresh, usualFresh and longestFresh are for how long fetched keys are used without being fetched
	// again: usualFresh if the issuer does not say, and within the two others if it does. Entra's cache lives
	// for 1 to 30 minutes.
	shortestFresh = time.Minute
	usualFresh    = 10 * time.Minute
	longestFresh  = time.Hour

	// keptThroughOutage is for how long keys are used after they were fetched, if they cannot be fetched again.
	keptThroughOutage = 12 * time.Hour

	// pauseAfterFetch is the shortest time between two requests for the keys of one issuer, also if assertions
	// come whose keys are unknown.
	pauseAfterFetch = 30 * time.Second

	// A failure is remembered for firstPause, and for twice as long after each further one, up to longestPause.
	firstPause   = 5 * time.Second
	longestPause = time.Minute
)

// freshness reads from the headers of an answer how long it is fresh (RFC 9111, section 4.2), within the bounds.
func freshness(h http.Header) time.Duration {
	life := usualFresh
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch http.CanonicalHeaderKey(name) { // the names have no case
		case "No-Store", "No-Cache":
			return shortestFresh
		case "Max-Age":
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil {
				return shortestFresh
			}
			age, _ := strconv.Atoi(h.Get("Age"))
			life = time.Duration(min(max(0, seconds-max(0, age)), int(longestFresh/time.Second))) * time.Second
		}
	}
	return min(max(life, shortestFresh), longestFresh)
}

// pauseAfter is how long no request is made after a number of failures in succession.
func pauseAfter(failures int) time.Duration {
	if failures == 0 {
		return pauseAfterFetch
	}
	return min(firstPause<<min(failures-1, 8), longestPause)
}
