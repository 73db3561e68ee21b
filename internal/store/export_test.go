package store

import (
	"context"

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

// NewDecoded returns a Decoded with another limit.
func NewDecoded[T any](limit int) *Decoded[T] {
	return &Decoded[T]{kept: recent.Cache[string, decoded[T]]{Limit: limit}}
}
