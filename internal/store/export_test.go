package store

import (
	"context"

	"midas/internal/recent"
)

// ClaimAs is Claim by a Midas that knows another format, or other versions of some kinds.
func ClaimAs(ctx context.Context, s Store, program string, format int, others map[string]int) error {
	own := formatRecord{Format: format, Versions: versions(), Program: program}
	for name, v := range others {
		own.Versions[name] = v
	}
	return claim(ctx, s, own)
}

// NewDecoded makes a Decoded that keeps fewer values.
func NewDecoded[T any](limit int) *Decoded[T] {
	return &Decoded[T]{kept: recent.Cache[string, decoded[T]]{Limit: limit}}
}
