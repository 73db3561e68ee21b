package verify

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

const (
	// overlap is by how much the iat of a list may be before that of a newer one. Servers with one store, and caches
	// before them, answer with lists whose times differ by that.
	overlap = time.Minute

	// ahead is by how much the issuer's clock may be ahead, besides the skew, as it may be for tokens, whose iat Midas
	// sets five minutes earlier. After it was set right, its lists seem to be old for that time, which is shorter than
	// DefaultRevocationsMaxAge.
	ahead = 5 * time.Minute

	// longestToken is the longest lifetime of an access token.
	longestToken = 28 * time.Hour

	// maxCarried is how many entries of earlier lists are carried at most.
	maxCarried = 200_000
)

// list is a list of revocations that was good. It does not change.
type list struct {
	version   uint64
	issued    time.Time // iat
	expires   time.Time // exp
	refresh   time.Duration
	revoked   map[string]int64 // by folded object id: tokens that were issued before this time, in Unix seconds, are revoked
	key       *publicKey       // has signed it
	tag       string           // ETag
	confirmed time.Time        // when the issuer last said that this is its list

	newest  time.Time        // the latest iat of this list and of all earlier ones
	carried map[string]int64 // what earlier lists of a higher version have revoked
	until   time.Time        // when the last token that carried refuses has expired
}

// refuses reports whether the tokens of a subject that were issued at a time, in Unix seconds, are revoked.
func (l *list) refuses(subject string, issued int64) bool {
	return issued < l.revoked[subject] || len(l.carried) > 0 && issued < l.carried[subject]
}

// followedBy returns the list that is used after the issuer has sent next. Lists are ordered by their time of issue:
// a list that is clearly older was held back by an attacker or by a cache. A version is lower although the list is
// newer if the issuer lost its state or restored it from a backup. Such a list is used, or services would have to be
// started again, but what is known as revoked stays so: it might come from a cache or from a server that is behind.
func (l *list) followedBy(next *list) (*list, error) {
	if next.version == l.version && maps.Equal(next.revoked, l.revoked) && next.issued.Before(l.issued) {
		confirmed := *l // another server has signed the same list earlier
		confirmed.confirmed = next.confirmed
		return &confirmed, nil
	}
	if next.issued.Before(l.newest.Add(-overlap)) {
		return nil, fmt.Errorf("version %d, issued at %s, is older than version %d, which is known and was issued at %s",
			next.version, next.issued.Format(time.RFC3339), l.version, l.newest.Format(time.RFC3339))
	}
	if l.newest.After(next.newest) {
		next.newest = l.newest
	}
	if len(l.carried) > 0 && next.confirmed.Before(l.until) {
		next.carried, next.until = l.carried, l.until
	}
	if next.version < l.version || next.version == l.version && !maps.Equal(next.revoked, l.revoked) {
		return next.carry(l)
	}
	return next, nil
}

// carry adds the entries of an earlier list to those that are carried. A subject that was disabled or deleted, and is
// not any more, gets tokens again; only those that it had before are refused.
func (l *list) carry(earlier *list) (*list, error) {
	all := make(map[string]int64, len(l.carried)+len(earlier.revoked))
	maps.Copy(all, l.carried)
	for subject, before := range earlier.revoked {
		all[subject] = max(all[subject], min(before, earlier.newest.Unix()+1))
	}
	if len(all) > maxCarried {
		return nil, fmt.Errorf("version %d is lower than version %d, and %d entries of earlier lists are too many", l.version, earlier.version, len(all))
	}
	l.carried, l.until = all, l.confirmed.Add(longestToken)
	return l, nil
}

// fold returns an object id in lower case. Object ids are UUIDs, which have no case.
func fold(id string) string { return strings.ToLower(id) }

// wireEntry is one entry of a list. Pointers tell a missing member from an empty one.
type wireEntry struct {
	ObjectID *string `json:"oid"`
	Before   *int64  `json:"before"`
}

// parseList reads the payload of a list. A list with one entry that cannot be read is refused as a whole.
func parseList(payload []byte, issuer string) (*list, error) {
	o, err := parseObject(payload)
	if err != nil {
		return nil, err
	}
	var entries []wireEntry
	r, l := &reader{object: o}, &list{refresh: usualRefresh}
	if named := r.text("iss"); named != issuer {
		return nil, fmt.Errorf("its issuer is %s", quote(named))
	}
	hasVersion, hasEntries := r.get("version", &l.version), r.get("revoked", &entries)
	issued, hasIssue := r.time("iat")
	expires, hasExpiry := r.time("exp")
	var seconds uint32
	if r.get("refresh", &seconds) {
		l.refresh = time.Duration(seconds) * time.Second
	}
	if !hasVersion || !hasEntries || !hasIssue || !hasExpiry {
		r.fail("version, revoked, iat or exp is missing")
	}
	if r.err != nil {
		return nil, r.err
	}
	l.issued, l.newest, l.expires = issued, issued, expires
	l.revoked, err = index(entries)
	return l, err
}

// index makes the entries findable. The latest time counts if there are several for one object.
func index(entries []wireEntry) (map[string]int64, error) {
	revoked := make(map[string]int64, len(entries))
	for _, e := range entries {
		if e.ObjectID == nil || *e.ObjectID == "" || e.Before == nil {
			return nil, errors.New("an entry has no oid or no before")
		}
		subject := fold(*e.ObjectID)
		revoked[subject] = max(revoked[subject], *e.Before)
	}
	return revoked, nil
}
