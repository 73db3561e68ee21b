package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

var (
	errEnded    = errors.New("store: transaction used after its end")
	errEmptyKey = errors.New("store: empty key")
)

// tx is one attempt of one transaction. It stores the context of View or Update, because fn receives only a
// Tx and returns before that context ends.
type tx struct {
	ctx    context.Context
	snap   Snapshot // nil after the end of the transaction
	update bool
	stale  bool  // a commit has outdated the snapshot: fn must run again, whatever it returned
	err    error // the first misuse, returned if fn itself returns no error

	held map[string]int // the versions of the kinds that an older Midas on the same store must be able to read

	ops    []operation // the gets and writes of an update; they are few, so a search is linear
	writes int         // the number of writes in ops
	bytes  int         // the size of the written keys and values, and of the guarded keys
}

// operation is the get and the write of one key in an update.
type operation struct {
	key      string
	guarded  bool
	revision Revision // the revision that Get has seen; 0 if there was no record
	read     []byte   // the value that Get has seen
	written  bool
	write    Write
}

func (t *tx) Get(key string) (Record, error) {
	if t.snap == nil {
		return Record{}, errEnded
	}
	if err := checkKey(key); err != nil {
		return Record{}, fmt.Errorf("get %s: %w", clip(key), t.fail(err))
	}
	if op := t.done(key); op != nil && op.written {
		if op.write.Delete {
			return Record{}, ErrNotFound
		}
		return Record{Key: key, Value: op.write.Value}, nil
	}
	rec, err := t.snap.Get(t.ctx, key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Record{}, fmt.Errorf("get %s: %w", clip(key), t.note(err))
	}
	if t.update {
		op, full := t.operation(key)
		if full != nil {
			return Record{}, fmt.Errorf("get %s: %w", clip(key), full)
		}
		if !op.guarded {
			t.bytes += len(key)
		}
		op.guarded, op.revision, op.read = true, rec.Revision, rec.Value
		if err := t.checkSize(); err != nil {
			return Record{}, fmt.Errorf("get %s: %w", clip(key), err)
		}
	}
	return rec, err
}

// RevisionOf returns the revision that a transaction has read so far. It is 0 for a transaction that has ended.
func RevisionOf(t Tx) Revision {
	if own, ok := t.(*tx); ok && own.snap != nil {
		return own.snap.Revision()
	}
	return 0
}

func (t *tx) Scan(r Range) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if t.snap == nil {
			yield(Record{}, errEnded)
			return
		}
		for rec, err := range t.snap.Scan(t.ctx, r) {
			if err != nil {
				yield(Record{}, t.scanFailed(r, err))
				return
			}
			if !yield(rec, nil) {
				return
			}
		}
	}
}

func (t *tx) Records(r Range) ([]Record, error) {
	if t.snap == nil {
		return nil, errEnded
	}
	if lister, ok := t.snap.(Lister); ok {
		records, err := lister.Records(t.ctx, r)
		if err != nil {
			return nil, t.scanFailed(r, err)
		}
		return records, nil
	}
	records, err := collect(t.snap.Scan(t.ctx, r))
	if err != nil {
		return nil, t.scanFailed(r, err)
	}
	return records, nil
}

// collect returns all records of a scan.
func collect(scan iter.Seq2[Record, error]) ([]Record, error) {
	var records []Record
	for rec, err := range scan {
		if err != nil {
			return nil, err
		}
		records = append(records, rec)
	}
	return records, nil
}

func (t *tx) scanFailed(r Range, err error) error {
	return fmt.Errorf("scan %s: %w", clip(r.Prefix), t.note(err))
}

func (t *tx) Put(key string, value []byte) {
	if len(value) > MaxValue {
		t.putOwned(key, value) // putOwned returns the error, so a copy is not needed
		return
	}
	t.putOwned(key, append([]byte{}, value...)) // a copy, never nil
}

// before returns the value of a key that this transaction has got or put, and nil if it has not, or if there is none.
func (t *tx) before(key string) []byte {
	switch op := t.done(key); {
	case op == nil:
		return nil
	case op.written:
		return op.write.Value
	default:
		return op.read
	}
}

// version returns the version in which a table writes the records of a kind.
func (t *tx) version(kind Kind) int {
	if held := t.held[kind.Name]; held > 0 { // 0 is a kind that an older Midas does not know, and overlooks
		return min(held, kind.Version)
	}
	return kind.Version
}

// putOwned is Put without a copy of the value, which the caller must not modify later.
func (t *tx) putOwned(key string, value []byte) {
	if len(value) > MaxValue {
		_ = t.fail(fmt.Errorf("put %s, %d bytes: %w", clip(key), len(value), ErrTooLarge))
		return
	}
	t.write(Write{Key: key, Value: value})
}

func (t *tx) Delete(key string) {
	t.write(Write{Key: key, Delete: true})
}

func (t *tx) write(w Write) {
	switch err := checkKey(w.Key); {
	case t.snap == nil:
		return
	case !t.update:
		_ = t.fail(fmt.Errorf("write %s: %w", clip(w.Key), ErrReadOnly))
		return
	case err != nil:
		_ = t.fail(fmt.Errorf("write %s: %w", clip(w.Key), err))
		return
	}
	op, err := t.operation(w.Key)
	if err != nil {
		return
	}
	if op.written {
		t.bytes -= len(op.write.Value)
	} else {
		t.writes++
		t.bytes += len(w.Key)
	}
	t.bytes += len(w.Value)
	op.written, op.write = true, w
	_ = t.checkSize()
}

// checkSize limits the size of what an engine sends to its database in one commit.
func (t *tx) checkSize() error {
	if t.bytes <= MaxTransaction {
		return nil
	}
	return t.fail(fmt.Errorf("transaction gets and writes more than %d bytes: %w", MaxTransaction, ErrTooLarge))
}

// reader returns a transaction that reads the same revision without guards and without the writes of t: t itself
// in a view.
func (t *tx) reader() *tx {
	if !t.update {
		return t
	}
	return &tx{ctx: t.ctx, snap: t.snap}
}

// operation finds or adds the entry of key. The pointer is valid until the next entry is added.
func (t *tx) operation(key string) (*operation, error) {
	if op := t.done(key); op != nil {
		return op, nil
	}
	if len(t.ops) == MaxOperations {
		return nil, t.fail(fmt.Errorf("transaction touches more than %d keys: %w", MaxOperations, ErrTooLarge))
	}
	if t.ops == nil {
		t.ops = make([]operation, 0, 8)
	}
	t.ops = append(t.ops, operation{key: key})
	return &t.ops[len(t.ops)-1], nil
}

// done returns the entry of key, or nil.
func (t *tx) done(key string) *operation {
	for i := range t.ops {
		if t.ops[i].key == key {
			return &t.ops[i]
		}
	}
	return nil
}

// note sets stale if a read has failed because the snapshot is outdated, so that the transaction runs again.
func (t *tx) note(err error) error {
	if errors.Is(err, ErrStale) {
		t.stale = true
	}
	return err
}

func (t *tx) fail(err error) error {
	if t.err == nil {
		t.err = err
	}
	return err
}

// conclude ends an attempt that commits nothing. err is the error that fn has returned.
func (t *tx) conclude(err error) error {
	if t.stale || t.guessed() {
		return errAgain
	}
	settled := t.snap.Settle(t.ctx)
	if errors.Is(settled, ErrStale) {
		return errAgain // the engine lost commits that the attempt has read
	}
	if settled != nil {
		return fmt.Errorf("wait until the commits that were read are durable: %w", settled)
	}
	if err == nil {
		err = t.err
	}
	return err
}

// confirm waits until the snapshot is known to be fresh. The error is ErrStale if it is not. If newest is true, the
// commit must require that the snapshot shows the newest revision.
func (t *tx) confirm() (newest bool, err error) {
	cached, ok := t.snap.(*cachedSnapshot)
	switch {
	case !ok:
		return false, nil
	case cached.comparesHead():
		return true, nil
	}
	return false, cached.confirm(t.ctx)
}

// guessed reports whether a Get has presumed that there is no record, so that only a commit shows whether that is right.
func (t *tx) guessed() bool {
	cached, ok := t.snap.(*cachedSnapshot)
	return ok && cached.guessed
}

// noteGuess records whether the commit has shown that what was presumed is right.
func (t *tx) noteGuess(err error) {
	if cached, ok := t.snap.(*cachedSnapshot); ok && cached.guessed {
		cached.cache.absent.note(err == nil, errors.Is(err, ErrConflict))
	}
}

// commit lists guards and writes in key order, so that the order in engines and feeds is deterministic.
func (t *tx) commit(newest bool) Commit {
	c := Commit{At: t.snap.Revision(), Newest: newest, Writes: make([]Write, 0, t.writes)}
	for _, op := range t.ops {
		if op.guarded {
			c.Guards = append(c.Guards, Guard{Key: op.key, Revision: op.revision})
		}
		if op.written {
			c.Writes = append(c.Writes, op.write)
		}
	}
	slices.SortFunc(c.Guards, func(a, b Guard) int { return strings.Compare(a.Key, b.Key) })
	slices.SortFunc(c.Writes, func(a, b Write) int { return strings.Compare(a.Key, b.Key) })
	return c
}

func (t *tx) end() {
	t.snap.Close()
	t.snap = nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errEmptyKey
	case len(key) > MaxKey:
		return fmt.Errorf("key of %d bytes: %w", len(key), ErrTooLarge)
	}
	return nil
}

// clip quotes a key for an error text and limits its length.
func clip(key string) string {
	const most = 80
	if len(key) <= most {
		return fmt.Sprintf("%q", key)
	}
	return fmt.Sprintf("%q…", key[:most])
}
