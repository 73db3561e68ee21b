package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"strconv"
)

// Table reads and writes the records of one kind as values of T, whose JSON form is an object. It is the only
// code that handles versions: Put writes the version of its Kind into each record, and every read compares
// it. The read of a newer record returns a *NewerVersionError. An older record is migrated as it is read; the
// next Put writes the new form.
//
// A Table has no state. It is used by pointer, and not changed after its declaration.
type Table[T any] struct {
	Kind Kind

	// Missing is the error of Get if there is no record; nil means ErrNotFound.
	Missing error

	// Complete, if it is not nil, fills in fields of a value that are not in its JSON form, from the record.
	Complete func(rec Record, v *T) error

	// Migrate has one step for each version before Kind.Version: step i converts the JSON form of version
	// i+1 into the JSON form of version i+2.
	Migrate []func(old json.RawMessage) (json.RawMessage, error)

	// Revert has one step for each version before Kind.Version that a Midas may read which shares a store with this
	// one, nil for the others: step i converts the JSON form of version i+2 into the JSON form of version i+1. It is
	// used until all replicas know the version; without it, Put returns an ErrOlderReplica until then. See Upgrade.
	Revert []func(fields json.RawMessage) (json.RawMessage, error)
}

// ErrNewerVersion is the error of every read of a record that a newer Midas has written.
var ErrNewerVersion = errors.New("written by a newer Midas")

// NewerVersionError is an ErrNewerVersion with its details.
type NewerVersionError struct {
	Kind    string // the name of the record's kind
	Key     string
	Version int // of the record
	Known   int // the newest version that this Midas can read
}

func (e *NewerVersionError) Error() string {
	return fmt.Sprintf("the record %s (%s) has version %d, %v: this one knows versions up to %d; run the Midas that wrote it, or a later one",
		clip(e.Key), e.Kind, e.Version, ErrNewerVersion, e.Known)
}

// Is makes every NewerVersionError an ErrNewerVersion, and an ErrUnavailable: the request succeeds at a replica that
// knows the record, or here after the upgrade.
func (e *NewerVersionError) Is(target error) bool {
	return target == ErrNewerVersion || target == ErrUnavailable
}

// Row is one record of a scan.
type Row[T any] struct {
	Record
	Data T
}

// Get reads the record of a key. The error is Missing if there is none, also for a key that is too long,
// because ids from clients become parts of keys.
func (t *Table[T]) Get(tx Tx, key string) (T, error) {
	rec, err := t.record(tx, key)
	if err != nil {
		var zero T
		return zero, err
	}
	return t.Decode(rec)
}

// Load reads the record of a key in a View of its own. It is nil if there is none.
func (t *Table[T]) Load(ctx context.Context, st Store, key string) (v *T, err error) {
	err = st.View(ctx, func(tx Tx) error {
		found, err := t.Get(tx, key)
		if v = &found; errors.Is(err, ErrNotFound) {
			v, err = nil, nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

// GetShared is Get for hot paths: it decodes each revision of a record once, and caches the value in kept. All
// callers share that value and must not modify it.
func (t *Table[T]) GetShared(tx Tx, key string, kept *Decoded[T]) (T, error) {
	rec, err := t.record(tx, key)
	if err != nil {
		var zero T
		return zero, err
	}
	return kept.Of(rec, t.Decode)
}

func (t *Table[T]) record(tx Tx, key string) (Record, error) {
	if len(key) > MaxKey {
		return Record{}, t.errMissing()
	}
	rec, err := tx.Get(key)
	if errors.Is(err, ErrNotFound) {
		err = t.errMissing()
	}
	return rec, err
}

func (t *Table[T]) errMissing() error {
	if t.Missing != nil {
		return t.Missing
	}
	return ErrNotFound
}

// Scan reads the records of a range. It stops at the first error.
func (t *Table[T]) Scan(tx Tx, r Range) iter.Seq2[Row[T], error] {
	return func(yield func(Row[T], error) bool) {
		if len(r.Prefix) > MaxKey {
			return
		}
		for rec, err := range tx.Scan(r) {
			row := Row[T]{Record: rec}
			if err == nil {
				row.Data, err = t.Decode(rec)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// List reads the records of a small range (see Tx.Records).
func (t *Table[T]) List(tx Tx, r Range) ([]T, error) {
	if len(r.Prefix) > MaxKey {
		return nil, nil
	}
	records, err := tx.Records(r)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	all := make([]T, len(records))
	for i, rec := range records {
		if all[i], err = t.Decode(rec); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// owner is a transaction of an Update.
type owner interface {
	version(Kind) int
	before(key string) []byte
	putOwned(key string, value []byte)
}

// Put writes the record of a key. If the transaction has got the record, fields that a newer Midas has added to it stay.
// The error is an ErrOlderReplica if an older Midas uses the store that cannot read the record.
func (t *Table[T]) Put(tx Tx, key string, v T) error {
	own, ok := tx.(owner)
	version := t.Kind.Version
	if ok {
		version = own.version(t.Kind)
	}
	value, err := t.encode(v, version)
	if err != nil {
		return fmt.Errorf("encode the %s %s: %w", t.Kind.Name, clip(key), err)
	}
	if !ok {
		tx.Put(key, value)
		return nil
	}
	if before := own.before(key); version == t.Kind.Version && before != nil {
		if was, err := versionOf(before); err == nil && was == version {
			value = keepUnknown(reflect.TypeFor[T](), before, value)
		}
	}
	own.putOwned(key, value) // this slice has no other user, so it need not be copied
	return nil
}

// encode returns the JSON form of v in a version, with the version as its first field.
func (t *Table[T]) encode(v T, version int) ([]byte, error) {
	fields, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	for at := t.Kind.Version; at > version; at-- {
		if at-2 >= len(t.Revert) || t.Revert[at-2] == nil {
			return nil, fmt.Errorf("version %d: %w", at, ErrOlderReplica)
		}
		if fields, err = t.Revert[at-2](fields); err != nil {
			return nil, fmt.Errorf("revert to version %d: %w", at-1, err)
		}
	}
	if len(fields) < 2 || fields[0] != '{' {
		return nil, fmt.Errorf("its JSON form is not an object")
	}
	value := make([]byte, 0, len(versionPrefix)+4+len(fields))
	value = append(value, versionPrefix...)
	value = strconv.AppendInt(value, int64(version), 10)
	if len(fields) > 2 {
		value = append(value, ',')
	}
	return append(value, fields[1:]...), nil
}

// Version returns the version of a record without decoding it. For a newer record it returns an error.
func (t *Table[T]) Version(rec Record) (int, error) {
	version, err := versionOf(rec.Value)
	if err != nil {
		return 0, t.undecodable(rec, err)
	}
	if version > t.Kind.Version {
		return 0, &NewerVersionError{Kind: t.Kind.Name, Key: rec.Key, Version: version, Known: t.Kind.Version}
	}
	return version, nil
}

// Decode decodes a record that a caller has from a scan or from the change feed.
func (t *Table[T]) Decode(rec Record) (v T, err error) {
	version, err := t.Version(rec)
	if err != nil {
		return v, err
	}
	value := rec.Value
	for ; err == nil && version < t.Kind.Version; version++ {
		value, err = t.migrate(version, value)
	}
	if err == nil {
		err = json.Unmarshal(value, &v)
	}
	if err == nil && t.Complete != nil {
		err = t.Complete(rec, &v)
	}
	if err != nil {
		return v, t.undecodable(rec, err)
	}
	return v, nil
}

func (t *Table[T]) undecodable(rec Record, err error) error {
	return fmt.Errorf("decode the %s %s: %w", t.Kind.Name, clip(rec.Key), err)
}

func (t *Table[T]) migrate(from int, value []byte) ([]byte, error) {
	if from > len(t.Migrate) || t.Migrate[from-1] == nil {
		return nil, fmt.Errorf("there is no migration from its version %d", from)
	}
	value, err := t.Migrate[from-1](value)
	if err != nil {
		return nil, fmt.Errorf("migrate its version %d: %w", from, err)
	}
	return value, nil
}

const versionPrefix = `{"v":`

// versionOf reads the version of a record. Table writes it as the first field, so it can be read without
// decoding the rest. In a record that was not written by a Table it may be at any position.
func versionOf(value []byte) (int, error) {
	n := 0
	if len(value) > len(versionPrefix) && string(value[:len(versionPrefix)]) == versionPrefix {
		for i, c := range value[len(versionPrefix):] {
			if c == ',' || c == '}' {
				if i > 0 && n > 0 {
					return n, nil
				}
				break
			}
			if c < '0' || c > '9' || n > 1<<24 {
				n = 0
				break
			}
			n = 10*n + int(c-'0')
		}
	}
	var begin struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(value, &begin); err != nil {
		return 0, err
	}
	if begin.V < 1 {
		return 0, errors.New("it has no version")
	}
	return begin.V, nil
}
