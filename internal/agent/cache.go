package agent

import (
	"time"

	"midas/internal/host"
)

// maxEntries bounds what workloads can make the agent remember, at some 2 KB each. At least half as many
// are kept, those that were used last.
const maxEntries = 512

// key is what a workload asks for.
type key struct {
	selector host.Selector
	audience string
}

// entry is what is known about one key: a token, or why there is none.
type entry struct {
	token   *host.Token
	refusal error
	epoch   uint64    // of the state in which the server was asked
	asked   time.Time // when that was, by both clocks; it is not later than the token

	// Since asked. The server gives durations, so that a host whose clock is wrong keeps tokens for as
	// long as others.
	refresh time.Duration // when to ask for a new token
	life    time.Duration // of the token
}
