package store

import (
	"context"
	"time"

	"midas/internal/recent"
)

// ClaimAs is Claim by a Midas with another format, or with other versions of some kinds.
func ClaimAs(ctx context.Context, s Store, program string, format int, others map[string]int) error {
	own := formatRecord{Format: format, Versions: versions(), Program: program}
	for name, v := range others {
		own.Versions[name] = v
	}
	return claim(ctx, s, own)
}

// ClaimSharedAs is ClaimShared by a Midas with other versions of some kinds, which raises them at once.
func ClaimSharedAs(ctx context.Context, s Store, program string, others map[string]int) (*Upgrade, error) {
	own := formatRecord{Format: Format, Versions: versions(), Program: program}
	for name, v := range others {
		own.Versions[name] = v
	}
	u, err := claimShared(ctx, s, own)
	if err == nil {
		u.settled = 0
	}
	return u, err
}

// SettleAfter sets for how long nobody must have begun to use a store before versions are raised.
func SettleAfter(u *Upgrade, d time.Duration) { u.settled = d }

// NewDecoded returns a Decoded with another limit.
func NewDecoded[T any](limit int) *Decoded[T] {
	return &Decoded[T]{kept: recent.Cache[string, decoded[T]]{Limit: limit}}
}
