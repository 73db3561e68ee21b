package check

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"midas/internal/store"
)

// overdue is for how long an expired record may be left. Jobs remove such records every few minutes, but not for a day
// after the clock has jumped or the server was stopped, see package retention.
const overdue = 3 * 24 * time.Hour

// end has the fields that say when a record ends. A record has one of them.
type end struct {
	Ends    time.Time `json:"ends"`    // hosts and enrollment tokens
	Until   time.Time `json:"until"`   // revocations
	Expires time.Time `json:"expires"` // what package grant stores
}

// ending are the kinds of records that end.
func ending() []store.Kind {
	return []store.Kind{
		store.HostKind, store.EnrollmentTokenKind, store.RevocationKind, store.CodeKind, store.DeviceKind,
		store.UserCodeKind, store.RefreshKind, store.SessionKind,
	}
}

// expired finds records that should have been removed long ago. It reports nothing after the server was stopped for
// long, because the newest time in the store is older then.
func expired(tx store.Tx, now time.Time) iter.Seq[error] {
	return func(yield func(error) bool) {
		now, err := lastSeen(tx, now)
		if err != nil {
			yield(err)
			return
		}
		checks := store.Checks{store.ExpiryIndex: func(_ store.Tx, rec store.Record) error { return checkExpiry(rec, now) }}
		for _, kind := range ending() {
			checks[kind] = func(_ store.Tx, rec store.Record) error { return checkEnd(kind, rec, now) }
		}
		store.Examine(tx, checks, "d/", "h/", store.RevocationKind.Keys)(yield)
	}
}

// lastSeen returns the time at which the server has last seen its clock, and the doubts about the clock have begun: no
// record that has expired later can be overdue.
func lastSeen(tx store.Tx, now time.Time) (time.Time, error) {
	marks := store.Table[struct {
		Seen    time.Time `json:"seen"`
		Doubted time.Time `json:"doubted"`
	}]{Kind: store.ClockKind, Missing: store.ErrNotFound}
	mark, err := marks.Get(tx, store.ClockKind.Keys)
	if err != nil {
		return now, nil // an unreadable record is found by another rule, and none means that there was no server
	}
	if !mark.Doubted.IsZero() {
		return time.Time{}, nil
	}
	if mark.Seen.Before(now) {
		return mark.Seen, nil
	}
	return now, nil
}

// checkExpiry checks an entry d//expiry/<unix time>/<key>.
func checkExpiry(rec store.Record, now time.Time) error {
	at, key, found := strings.Cut(strings.TrimPrefix(rec.Key, store.ExpiryIndex.Key("", "")), "/")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !found {
		return fmt.Errorf("the key has no time")
	}
	if late := now.Sub(time.Unix(seconds, 0)); late > overdue {
		return fmt.Errorf("it was due %s ago and has not removed %q", late.Round(time.Hour), key)
	}
	return nil
}

func checkEnd(kind store.Kind, rec store.Record, now time.Time) error {
	r, err := (&store.Table[end]{Kind: kind, Migrate: unchanged(kind)}).Decode(rec)
	if err != nil {
		return nil // the rule about records reports it
	}
	for _, at := range []time.Time{r.Ends, r.Until, r.Expires} {
		if late := now.Sub(at); !at.IsZero() && late > overdue {
			return fmt.Errorf("it ended %s ago and was not removed", late.Round(time.Hour))
		}
	}
	return nil
}

// unchanged are migrations that keep a record: the end of a record is the same in all versions.
func unchanged(kind store.Kind) []func(json.RawMessage) (json.RawMessage, error) {
	same := func(old json.RawMessage) (json.RawMessage, error) { return old, nil }
	return slices.Repeat([]func(json.RawMessage) (json.RawMessage, error){same}, kind.Version)
}
