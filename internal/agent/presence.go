package agent

import (
	"errors"
	"time"

	"midas/internal/clock"
	"midas/internal/host"
)

// presence is what the agent knows of whether the server answers. It is one for all keys: what one
// request has waited for in vain, others need not wait for again. The zero presence is a server of
// which nothing bad is known. Whoever uses it holds Agent.mu.
type presence struct {
	silent bool      // a request has waited longer than patience, or has failed
	away   bool      // a request has failed
	probed time.Time // when a request was last let through although the server was silent
}

// probe reports whether the server may be asked now: always, unless it is silent; then by one request
// in a second.
func (p *presence) probe(now time.Time) bool {
	if p.silent {
		if !clock.Over(p.probed, trust, now) {
			return false
		}
		p.probed = now
	}
	return true
}

// note takes the outcome of a request.
func (p *presence) note(err error, now time.Time) {
	if !errors.Is(err, host.ErrAway) {
		p.silent, p.away = false, false
		return
	}
	if !p.silent {
		p.probed = now
	}
	p.silent, p.away = true, true
}

// late notes that a request has not been answered for longer than patience.
func (p *presence) late(now time.Time) {
	if !p.silent {
		p.silent, p.probed = true, now
	}
}
