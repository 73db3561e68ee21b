package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
)

// The first byte of a Pebble key distinguishes the store's keys from this package's own keys.
const (
	dataPrefix = 'k'
	metaPrefix = 'm'
)

func dataKey(dst []byte, key string) []byte {
	return append(append(dst, dataPrefix), key...)
}

// snapshot implements store.Snapshot.
type snapshot struct {
	engine   *Engine
	gen      *generation
	snap     *pdb.Snapshot
	revision store.Revision
	buf      []byte // for building keys
}

func (s *snapshot) Revision() store.Revision { return s.revision }

func (s *snapshot) Get(_ context.Context, key string) (store.Record, error) {
	s.buf = dataKey(s.buf[:0], key)
	rec, err := get(s.snap, s.buf, key)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Record{}, fmt.Errorf("store in %s: %w", s.engine.name, err)
	}
	return rec, err
}

func (s *snapshot) Scan(ctx context.Context, r store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		it, err := s.snap.NewIterWithContext(ctx, bounds(r))
		if err != nil {
			yield(store.Record{}, fmt.Errorf("store in %s: %w", s.engine.name, err))
			return
		}
		more, err := scan(ctx, it, r, yield)
		if closing := it.Close(); err == nil {
			err = closing
		}
		if err != nil && more {
			yield(store.Record{}, fmt.Errorf("store in %s: %w", s.engine.name, err))
		}
	}
}

// scan yields the records and reports whether the consumer wants more records.
func scan(ctx context.Context, it *pdb.Iterator, r store.Range, yield func(store.Record, error) bool) (bool, error) {
	first, next := it.First, it.Next
	if r.Reverse {
		first, next = it.Last, it.Prev
	}
	count := 0
	for ok := first(); ok; ok = next() {
		if count%64 == 0 && ctx.Err() != nil {
			return true, ctx.Err()
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return true, err
		}
		rec, err := record(string(it.Key()[1:]), value)
		if err != nil {
			return true, err
		}
		if !yield(rec, nil) {
			return false, nil
		}
		if count++; count == r.Limit {
			return true, nil
		}
	}
	return true, it.Error()
}

// bounds translates a range. The upper bound of a prefix is the next string of the same length that
// is greater; the prefix of all data keys has one, so there always is one.
func bounds(r store.Range) *pdb.IterOptions {
	lower := dataKey(nil, r.Prefix)
	upper := dataKey(nil, r.Prefix)
	for upper[len(upper)-1] == 0xff {
		upper = upper[:len(upper)-1]
	}
	upper[len(upper)-1]++
	if r.After != "" {
		after := dataKey(nil, r.After)
		if r.Reverse && string(after) < string(upper) {
			upper = after
		}
		if !r.Reverse && string(after) >= string(lower) {
			lower = append(after, 0)
		}
	}
	if string(lower) > string(upper) {
		lower = upper
	}
	return &pdb.IterOptions{LowerBound: lower, UpperBound: upper}
}

func (s *snapshot) Settle(ctx context.Context) error {
	if s.gen.readOnly {
		return nil // it shows only data on the disk
	}
	return s.engine.feed.wait(ctx, s.revision, s.gen)
}

func (s *snapshot) Close() {
	if s.gen.broken() != nil {
		go s.close() // Pebble's close may wait for blocked writes
		return
	}
	s.close()
}

func (s *snapshot) close() {
	_ = s.snap.Close() // returns an error only for a second call
	s.gen.release()
}

// get reads one record. dbKey is the Pebble key of key.
func get(from pdb.Reader, dbKey []byte, key string) (store.Record, error) {
	value, closer, err := from.Get(dbKey)
	if errors.Is(err, pdb.ErrNotFound) {
		return store.Record{}, store.ErrNotFound
	}
	if err != nil {
		return store.Record{}, err
	}
	rec, err := record(key, value)
	if closing := closer.Close(); err == nil {
		err = closing
	}
	return rec, err
}

// record copies a value out of Pebble's memory.
func record(key string, value []byte) (store.Record, error) {
	if len(value) < 8 {
		return store.Record{}, fmt.Errorf("the value of %q is damaged", key)
	}
	return store.Record{
		Key:      key,
		Value:    append(make([]byte, 0, len(value)-8), value[8:]...),
		Revision: store.Revision(binary.BigEndian.Uint64(value)),
	}, nil
}

// readHead returns the newest revision, 0 in a new store.
func readHead(from pdb.Reader) (store.Revision, error) {
	value, closer, err := from.Get(headKey)
	if errors.Is(err, pdb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the newest revision: %w", err)
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, errors.New("the newest revision is damaged")
	}
	return store.Revision(binary.BigEndian.Uint64(value)), nil
}
