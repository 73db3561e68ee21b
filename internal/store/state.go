package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// State is a copy of the records of a store, to which a laboratory returns.
type State struct {
	records map[string][]byte
	keep    []string // prefixes of keys that are not part of the state
}

// MaxState is the largest State, in bytes of keys and values.
const MaxState = 256 << 20

// ErrStateTooLarge means that a store has more than MaxState bytes.
var ErrStateTooLarge = errors.New("the store has more than 256 MiB")

// CopyState copies the records of an engine, without those whose keys begin with one of the prefixes in keep.
func CopyState(ctx context.Context, e Engine, keep ...string) (*State, error) {
	s := &State{records: map[string][]byte{}, keep: keep}
	size := 0
	_, err := s.each(ctx, e, func(rec Record) error {
		if size += len(rec.Key) + len(rec.Value); size > MaxState {
			return ErrStateTooLarge
		}
		s.records[rec.Key] = bytes.Clone(rec.Value)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("copy the records of the store: %w", err)
	}
	return s, nil
}

// Adopt copies the records whose keys begin with prefix into the state, if it has none of them.
func (s *State) Adopt(ctx context.Context, e Engine, prefix string) error {
	for key := range s.records {
		if strings.HasPrefix(key, prefix) {
			return nil
		}
	}
	_, err := s.each(ctx, e, func(rec Record) error {
		if strings.HasPrefix(rec.Key, prefix) {
			s.records[rec.Key] = bytes.Clone(rec.Value)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy records of the store: %w", err)
	}
	return nil
}

// each calls visit with the records that are part of the state, and returns their revision.
func (s *State) each(ctx context.Context, e Engine, visit func(Record) error) (Revision, error) {
	snap, err := e.Snapshot(ctx, 1)
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	for rec, err := range snap.Scan(ctx, Range{}) {
		if err != nil {
			return 0, err
		}
		if hasPrefix(rec.Key, s.keep) {
			continue
		}
		if err := visit(rec); err != nil {
			return 0, err
		}
	}
	return snap.Revision(), nil
}

// restoreAttempts bounds how often Restore looks for what other transactions have written meanwhile.
const restoreAttempts = 20

// Restore returns the records of an engine, whose only writer is this process, to the state, in one commit, but for those
// whose keys begin with one of the prefixes in except. It returns how many records it has changed. Transactions that run
// meanwhile are committed before or after; one that has read what Restore changes runs again.
func (s *State) Restore(ctx context.Context, e Embedded, except ...string) (changed int, err error) {
	for range restoreAttempts {
		writes, at, err := s.difference(ctx, e)
		if err != nil {
			return changed, fmt.Errorf("compare the records of the store: %w", err)
		}
		writes = slices.DeleteFunc(writes, func(w Write) bool { return hasPrefix(w.Key, except) })
		if len(writes) == 0 {
			return changed, nil
		}
		rev, err := e.Commit(ctx, Commit{At: at, Writes: writes})
		if err != nil {
			return changed, fmt.Errorf("restore the records of the store: %w", err)
		}
		if changed += len(writes); rev == at+1 {
			return changed, nil
		}
	}
	return changed, nil // what others write all the time is written after the reset
}

// difference returns the writes that lead from the records of an engine to the state, in the order of their keys, and the
// revision of the records.
func (s *State) difference(ctx context.Context, e Engine) (writes []Write, at Revision, err error) {
	present := make(map[string]bool, len(s.records))
	at, err = s.each(ctx, e, func(rec Record) error {
		value, kept := s.records[rec.Key]
		switch {
		case !kept:
			writes = append(writes, Write{Key: rec.Key, Delete: true})
		case !bytes.Equal(value, rec.Value):
			writes = append(writes, Write{Key: rec.Key, Value: value})
		}
		present[rec.Key] = kept
		return nil
	})
	if err != nil {
		return nil, at, err
	}
	for key, value := range s.records {
		if !present[key] {
			writes = append(writes, Write{Key: key, Value: value})
		}
	}
	slices.SortFunc(writes, func(a, b Write) int { return strings.Compare(a.Key, b.Key) })
	return writes, at, nil
}

func hasPrefix(key string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}
