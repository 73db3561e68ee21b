package check

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"midas/internal/store"
)

// overdue is for how long an expired record may be left. Jobs remove such records every few minutes, but not for a day
// after the clock has jumped or the server was stopped, see package retention.
const overdue = 3 * 24 * time.Hour

// ends are the fields that say when a record ends, by kind.
func ends() map[store.Kind]string {
	return map[store.Kind]string{
		store.HostKind: "ends", store.EnrollmentTokenKind: "ends", store.RevocationKind: "until",
		store.CodeKind: "expires", store.DeviceKind: "expires", store.UserCodeKind: "expires",
		store.RefreshKind: "expires", store.SessionKind: "expires",
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
		for kind, field := range ends() {
			checks[kind] = func(_ store.Tx, rec store.Record) error { return checkEnd(rec, field, now) }
		}
		for _, prefix := range []string{"d/", "h/", store.RevocationKind.Keys} {
			for err := range store.Examine(tx, prefix, checks) {
				if !yield(err) {
					return
				}
			}
		}
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

func checkEnd(rec store.Record, field string, now time.Time) error {
	var fields map[string]json.RawMessage
	var end time.Time
	if json.Unmarshal(rec.Value, &fields) != nil || json.Unmarshal(fields[field], &end) != nil {
		return nil // the rule about records reports it
	}
	if late := now.Sub(end); !end.IsZero() && late > overdue {
		return fmt.Errorf("it ended %s ago and was not removed", late.Round(time.Hour))
	}
	return nil
}
