package agent

import (
	"time"

	"midas/internal/host"
)

// maxEntries bounds the entries of the cache, of about 2 KB each, because workloads choose the audiences.
// The cache keeps at least half as many, those that were used last.
const maxEntries = 512

// key is the identity and the audience of a token request.
type key struct {
	selector host.Selector
	audience string
}

// entry is the server's last answer for a key: a token, or the refusal.
type entry struct {
	token   *host.Token
	refusal error
	epoch   uint64    // Agent.epoch when the request was sent
	asked   time.Time // when the request was sent, by wall and monotonic clock; not later than the token's issue

	// Durations since asked. The server sends durations and not times, so that a host with a wrong clock
	// keeps tokens for as long as other hosts.
	refresh time.Duration // until a new token is requested
	life    time.Duration // until the token expires
}
