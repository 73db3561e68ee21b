package agent

import (
	"errors"
	"time"

	"midas/internal/clock"
	"midas/internal/host"
)

// presence records whether the server answers. All keys share it, so that after one request has waited in
// vain, the others do not wait too. The zero value is a server without failures. The callers of its
// methods hold Agent.mu.
type presence struct {
	silent bool      // a request has waited longer than patience, or has failed
	away   bool      // a request that a program waited for has failed
	probed time.Time // when a request was last allowed although the server was silent
}

// probe reports whether a request may be sent now: always, unless the server is silent; then one request
// per second.
func (p *presence) probe(now time.Time) bool {
	if p.silent {
		if !clock.Over(p.probed, trust, now) {
			return false
		}
		p.probed = now
	}
	return true
}

// note records the outcome of a request. urgent reports whether a program waited for it. If a request has failed that
// was sent once only, the next one that a program waits for may succeed.
func (p *presence) note(err error, urgent bool, now time.Time) {
	if !errors.Is(err, host.ErrAway) {
		p.silent, p.away = false, false
		return
	}
	if !p.silent {
		p.probed = now
	}
	p.silent, p.away = true, p.away || urgent
}

// late records that a request has waited for longer than patience.
func (p *presence) late(now time.Time) {
	if !p.silent {
		p.silent, p.probed = true, now
	}
}
