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

// ended reports whether a restore with Options.EndTokens leaves out the record of a key.
func ended(kinds *store.Lookup, key string) bool {
	kind, _ := kinds.Kind(key)
	if kind == store.ExpiryIndex { // d//expiry/<time>/<key of the record>
		_, of, _ := strings.Cut(strings.TrimPrefix(key, store.ExpiryIndex.Key("", "")), "/")
		kind, _ = kinds.Kind(of)
	}
	return slices.Contains(endedKinds(), kind)
}
