package backup

import (
	"slices"
	"strings"

	"midas/internal/store"
)

// endedKinds returns the kinds that a restore with Options.EndTokens leaves out: what proves that a token, a sign-in or a
// permission to enroll is good. After the backup one of them may have been revoked or used.
func endedKinds() []store.Kind {
	return []store.Kind{
		store.KeyKind, store.CodeKind, store.DeviceKind, store.UserCodeKind, store.RefreshKind, store.SignInsKind,
		store.SessionKind, store.BrowsersKind, store.EnrollmentTokenKind,
	}
}

// runningKinds returns the kinds that no restore writes: they say which replicas run and what they are doing.
func runningKinds() []store.Kind { return []store.Kind{store.JobKind, store.ReplicaKind} }

// left reports whether a restore leaves out the record of a key.
func left(kinds *store.Lookup, key string, endTokens bool) bool {
	if kind, _ := kinds.Kind(key); slices.Contains(runningKinds(), kind) {
		return true
	}
	return endTokens && ended(kinds, key)
}

// ended reports whether a restore with Options.EndTokens leaves out the record of a key.
func ended(kinds *store.Lookup, key string) bool {
	kind, _ := kinds.Kind(key)
	if kind == store.ExpiryIndex { // d//expiry/<time>/<key of the record>
		_, of, _ := strings.Cut(strings.TrimPrefix(key, store.ExpiryIndex.Key("", "")), "/")
		kind, _ = kinds.Kind(of)
	}
	return slices.Contains(endedKinds(), kind)
}
