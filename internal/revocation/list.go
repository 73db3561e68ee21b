package revocation

import (
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

// MediaType is the typ in the header of a list.
const MediaType = "midas-revocations+jwt"

const (
	// Refresh is how often a relying party should ask for the list.
	Refresh = time.Minute

	// Lifetime is how long a list may be used, from its iat to its exp. It bounds what an attacker gains who holds
	// newer lists back.
	Lifetime = time.Hour

	// resignAfter is how long a signed list is given out while nothing changes. A relying party that has just got
	// one can use it for at least Lifetime - resignAfter.
	resignAfter = 10 * time.Minute
)

// always is the Before of a subject all of whose tokens are refused: the last second of the year 9999.
var always = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// List is the payload of the signed list. Times are Unix seconds.
type List struct {
	Issuer   string         `json:"iss"` // the v2.0 issuer of the tenant
	IssuedAt int64          `json:"iat"`
	Expires  int64          `json:"exp"`     // the list must not be used any more
	Version  store.Revision `json:"version"` // grows with every change
	Refresh  int64          `json:"refresh"` // seconds after which a relying party should ask again
	Revoked  []Entry        `json:"revoked"` // in the order of the object ids
}

// Entry refuses the tokens of the subject oid that were issued before a time. The time of issue is midas_iat.
type Entry struct {
	ObjectID string `json:"oid"`
	Before   int64  `json:"before"`
}

// newList makes the list of a tenant at a time.
func newList(issuer string, all directory.TokenRevocations, now time.Time) List {
	l := List{
		Issuer: issuer, IssuedAt: now.Unix(), Expires: now.Add(Lifetime).Unix(),
		Version: all.Version, Refresh: int64(Refresh / time.Second), Revoked: make([]Entry, len(all.All)),
	}
	for i, r := range all.All {
		if r.Ended {
			r.Before = always
		}
		l.Revoked[i] = Entry{ObjectID: r.ObjectID, Before: r.Before.Unix()}
	}
	return l
}
