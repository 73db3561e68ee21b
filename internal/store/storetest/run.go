package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

// Run checks the contract of a store while it is open. open returns a new, empty store, and closes and
// removes it when t ends; it is called once per subtest.
func Run(t *testing.T, open func(t testing.TB) store.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, st store.Store)
	}{
		{"a put is read back with its revision", putIsReadBack},
		{"an update sees its own writes", ownWrites},
		{"an error of fn is returned and nothing is written", errorOfFn},
		{"a panic of fn writes nothing and blocks no transaction", panicOfFn},
		{"an update without writes takes no revision", updateWithoutWrites},
		{"a value is copied by put", putCopies},
		{"a view cannot write", viewCannotWrite},
		{"transactions nest", nesting},
		{"a closed store returns ErrClosed", closedStore},
		{"close waits for transactions", closeWaits},
		{"a cancelled context ends a transaction", cancelled},
		{"limits are enforced and can be used in full", limits},
		{"endless contention gives ErrConflict", endlessContention},

		{"scans select by prefix, after, limit and direction", scanRanges},
		{"scans nest and stop early", scanNesting},

		{"increments are not lost", lostUpdates},
		{"a child is never left without its parent", childWithoutParent},
		{"only one of many concurrent creates of a key succeeds", exclusiveCreate},
		{"a view sees one revision of many keys", oneRevision},
		{"a scan and a get of one view agree", scanAgreesWithGet},
		{"reads are linearizable", linearizable},
		{"a long view does not make others see old values", longView},

		{"a feed is ordered and without gaps under 16 writers", feedUnderWriters},
		{"a feed selects by prefix", feedPrefix},
		{"a feed begins after any revision", feedFromAnywhere},
		{"a feed refuses a revision after the newest", feedFuture},
		{"a feed ends with its context, its consumer or the store", feedEnds},
		{"a slow consumer blocks no writer and gets every change or ErrCompacted", feedSlow},

		{"a dump holds all keys of one revision", dump},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	t.Run("a store behaves like a map", func(t *testing.T) { likeMap(t, open) })
}

// put writes one key and returns the revision.
func put(t testing.TB, st store.Store, key, value string) store.Revision {
	t.Helper()
	rev, err := st.Update(context.Background(), func(tx store.Tx) error {
		tx.Put(key, []byte(value))
		return nil
	})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return rev
}

// read returns the value of one key, or "" if there is none.
func read(t testing.TB, st store.Store, key string) string {
	t.Helper()
	var value string
	err := st.View(context.Background(), func(tx store.Tx) error {
		var err error
		value, err = valueOf(tx, key)
		return err
	})
	if err != nil {
		t.Fatalf("read %q: %v", key, err)
	}
	return value
}

func valueOf(tx store.Tx, key string) (string, error) {
	rec, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return string(rec.Value), err
}

// number reads a key as a number. An absent key is 0.
func number(tx store.Tx, key string) (int, error) {
	value, err := valueOf(tx, key)
	if err != nil || value == "" {
		return 0, err
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, fmt.Errorf("value of %q: %w", key, err)
	}
	return n, nil
}

func putNumber(tx store.Tx, key string, n int) {
	tx.Put(key, []byte(strconv.Itoa(n)))
}

// scanAll collects a scan, and checks that Records returns the same records before the scan, from the present
// content of a cache, and after it, from the content that the scan has left there.
func scanAll(tx store.Tx, r store.Range) ([]store.Record, error) {
	before, err := tx.Records(r)
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	var scanned []store.Record
	for rec, err := range tx.Scan(r) {
		if err != nil {
			return nil, err
		}
		scanned = append(scanned, rec)
	}
	after, err := tx.Records(r)
	if err != nil {
		return nil, fmt.Errorf("records again: %w", err)
	}
	for _, records := range [][]store.Record{before, after} {
		if !slices.EqualFunc(scanned, records, same) {
			return nil, fmt.Errorf("records of %+v differ from the scan: %s", r, cmp.Diff(scanned, records))
		}
	}
	return scanned, nil
}

func same(a, b store.Record) bool {
	return a.Key == b.Key && a.Revision == b.Revision && string(a.Value) == string(b.Value)
}
