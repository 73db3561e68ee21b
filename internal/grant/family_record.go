package grant

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// MaxSuccessors is how many refresh tokens can be issued in exchange for one. Further requests in the overlap
// are refused, and the successors stay valid.
const MaxSuccessors = 100

const (
	// maxUnused bounds the unused tokens of a family. A web proxy leaves some behind at each exchange: of the
	// answers to requests with one cookie, the browser keeps the last one. The oldest are forgotten first. A
	// forgotten token counts as used, so a thief who displaces the owner's token is detected when it is used.
	maxUnused = 256

	// maxExchanges bounds the exchanges that a family remembers.
	maxExchanges = 64

	// inProgress is how long an exchange is remembered at least, for requests that began before it.
	inProgress = 5 * time.Minute
)

// familyRecord is a family of refresh tokens: one sign-in of one user with one client. The tokens of a family
// are numbered in the order of their issue, from 0. Each is exchanged once, and again during the overlap; then
// the family has branches.
type familyRecord struct {
	Grant
	Next      int        `json:"next"`             // the number of the next token
	Unused    []int      `json:"unused"`           // the tokens that were not exchanged, in order of issue
	Exchanges []exchange `json:"recent,omitempty"` // the latest exchanges, in order of time
	Created   time.Time  `json:"created"`
	Expires   time.Time  `json:"expires"`
}

// exchange is the exchange of a refresh token for its successors.
type exchange struct {
	Number     int       `json:"number"`
	Time       time.Time `json:"time"` // of the first successor
	Successors int       `json:"successors"`
}

// exchange exchanges a token and returns the number of its successor. began is when the request began. The
// error is ErrReused if the token was exchanged and the overlap has ended, or ErrTooMany if it has too many
// successors.
func (r *familyRecord) exchange(number int, began, now time.Time, overlap time.Duration) (next int, err error) {
	r.Exchanges = slices.DeleteFunc(r.Exchanges, func(e exchange) bool {
		return now.Sub(e.Time) > max(overlap, inProgress)
	})
	unused := slices.Index(r.Unused, number)
	before := slices.IndexFunc(r.Exchanges, func(e exchange) bool { return e.Number == number })
	switch {
	case unused >= 0:
		r.Unused = slices.Delete(r.Unused, unused, unused+1)
		r.remember(exchange{Number: number, Time: now, Successors: 1})
	case number >= r.Next: // the store was restored from a backup that is older than the token
		r.Next = number + 1
		r.remember(exchange{Number: number, Time: now, Successors: 1})
	case before < 0 || !began.Before(r.Exchanges[before].Time.Add(overlap)):
		return 0, ErrReused
	case r.Exchanges[before].Successors >= MaxSuccessors:
		return 0, ErrTooMany
	default:
		r.Exchanges[before].Successors++
	}
	return r.issue(), nil
}

// issue adds a token to the family and returns its number.
func (r *familyRecord) issue() int {
	number := r.Next
	r.Next++
	r.Unused = append(r.Unused, number)
	r.Unused = r.Unused[max(0, len(r.Unused)-maxUnused):]
	return number
}

func (r *familyRecord) remember(e exchange) {
	r.Exchanges = append(r.Exchanges, e)
	r.Exchanges = r.Exchanges[max(0, len(r.Exchanges)-maxExchanges):]
}

// fromGenerations converts a family of version 1. It had one unused token, the one of its generation, and
// knew when the token before it was exchanged.
func fromGenerations(old json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	var was struct {
		Generation int       `json:"generation"`
		Rotated    time.Time `json:"rotated"`
	}
	if err := json.Unmarshal(old, &fields); err != nil {
		return nil, fmt.Errorf("decode fields: %w", err)
	}
	if err := json.Unmarshal(old, &was); err != nil {
		return nil, fmt.Errorf("decode the generation: %w", err)
	}
	is := familyRecord{Next: was.Generation + 1, Unused: []int{was.Generation}}
	if was.Generation > 0 {
		is.Exchanges = []exchange{{Number: was.Generation - 1, Time: was.Rotated, Successors: 1}}
	}
	for name, value := range map[string]any{"next": is.Next, "unused": is.Unused, "recent": is.Exchanges} {
		text, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		fields[name] = text
	}
	return json.Marshal(fields)
}
