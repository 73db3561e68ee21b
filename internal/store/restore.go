package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The errors of a restore.
var (
	// ErrNotEmpty means that a store which was to be restored has records.
	ErrNotEmpty = errors.New("the store is not empty")

	// ErrRestoring means that a restore of the store has begun and has not ended.
	ErrRestoring = errors.New("a restore of the store has not ended")

	// ErrRestoreReplaced means that another restore has ended, or has begun anew, on the same store.
	ErrRestoreReplaced = errors.New("another restore has replaced this one")
)

// formatRestoring is the format of a store that is being restored. It makes also those versions of Midas refuse the
// store that know no RestoringKind.
const formatRestoring = 1 << 30

// restoring is the record of a restore that has not ended.
type restoring struct {
	ID    string    `json:"id"`
	Began time.Time `json:"began"`
}

// Restored says which restore has made a store.
type Restored struct {
	At          time.Time `json:"at"`          // the end of the restore
	Backup      time.Time `json:"backup"`      // when the backup was made
	TokensEnded bool      `json:"tokensEnded"` // the restore has removed signing keys, sign-ins and enrollment tokens

	// Base is added to revisions that others compare, such as the versions of revocation lists, because the
	// revisions of a restored store begin anew.
	Base Revision `json:"base"`
}

var (
	restorings = Table[restoring]{Kind: RestoringKind}
	restoreds  = Table[Restored]{Kind: RestoredKind}
)

// LastRestore returns the restore that has made the store; the zero value if there was none.
func LastRestore(tx Tx) (Restored, error) {
	r, err := restoreds.Get(tx, RestoredKind.Keys)
	if errors.Is(err, ErrNotFound) {
		return Restored{}, nil
	}
	return r, err
}

// RevisionBase returns the number that is added to a revision to get a version for other programs, which grows
// with every change and over restores.
func RevisionBase(tx Tx) (Revision, error) {
	r, err := LastRestore(tx)
	return r.Base, err
}

// notRestoring returns an ErrRestoring while the store is being restored.
func notRestoring(tx Tx) error {
	switch _, err := tx.Get(RestoringKind.Keys); {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: run `midas restore` again with the same file", ErrRestoring)
}

// Restore writes the records of a backup. Until Finish, no server starts on the store, of whatever version.
type Restore struct {
	store Store
	id    string
}

// BeginRestore marks an empty store as one that is being restored. id identifies the content that is written. If a
// restore of the same content has begun before, it goes on: the caller writes all records again. After a restore of
// another content everything that it has written is removed first. It returns ErrNotEmpty for a store that has
// records of its own.
func BeginRestore(ctx context.Context, s Store, id string, now time.Time) (*Restore, error) {
	r := &Restore{store: s, id: id}
	other := false
	_, err := s.Update(ctx, func(tx Tx) error {
		other = false
		found, err := restorings.Get(tx, RestoringKind.Keys)
		switch {
		case err == nil:
			other = found.ID != id
		case !errors.Is(err, ErrNotFound):
			return err
		default:
			if err := isEmpty(tx); err != nil {
				return err
			}
		}
		if err := formats.Put(tx, formatKey, formatRecord{Format: formatRestoring, Versions: map[string]int{}, Program: "a restore that has not ended"}); err != nil {
			return err
		}
		return restorings.Put(tx, RestoringKind.Keys, restoring{ID: id, Began: now.UTC()})
	})
	if err == nil && other {
		err = r.clear(ctx)
	}
	return r, err
}

// isEmpty returns ErrNotEmpty if the store has a record. It gets the record that the first start of a server writes,
// so a server and a restore that begin at the same moment conflict.
func isEmpty(tx Tx) error {
	if _, err := tx.Get(formatKey); !errors.Is(err, ErrNotFound) {
		return errors.Join(ErrNotEmpty, err)
	}
	for rec, err := range tx.Scan(Range{Limit: 1}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: it has the record %s", ErrNotEmpty, clip(rec.Key))
	}
	return nil
}

// Guard returns ErrRestoreReplaced if the transaction does not belong to the restore that runs.
func (r *Restore) Guard(tx Tx) error {
	found, err := restorings.Get(tx, RestoringKind.Keys)
	if errors.Is(err, ErrNotFound) || err == nil && found.ID != r.id {
		return ErrRestoreReplaced
	}
	return err
}

// Written reports whether the caller of Restore writes the record of a key. The others are written by Finish.
func (r *Restore) Written(key string) bool {
	return key != formatKey && key != RestoringKind.Keys && key != RestoredKind.Keys
}

// Put writes and removes records in one transaction, within the limits of an Update.
func (r *Restore) Put(ctx context.Context, all []Write) error {
	_, err := r.store.Update(ctx, func(tx Tx) error {
		if err := r.Guard(tx); err != nil {
			return err
		}
		Apply(tx, all)
		return nil
	})
	return err
}

// Apply writes and removes records as they are, of whatever version. It is for copies of a store.
func Apply(tx Tx, all []Write) {
	for _, w := range all {
		if w.Delete {
			tx.Delete(w.Key)
		} else {
			tx.Put(w.Key, w.Value)
		}
	}
}

// clearBatch is how many records one transaction of clear removes.
const clearBatch = 100

// clear removes all records that an unfinished restore has written.
func (r *Restore) clear(ctx context.Context) error {
	for after, more := "", true; more; {
		last := after
		_, err := r.store.Update(ctx, func(tx Tx) error {
			if err := r.Guard(tx); err != nil {
				return err
			}
			more = false
			for rec, err := range tx.Scan(Range{After: after, Limit: clearBatch}) {
				if err != nil {
					return err
				}
				if more, last = true, rec.Key; r.Written(rec.Key) {
					tx.Delete(rec.Key)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("remove what an earlier restore has written: %w", err)
		}
		after = last
	}
	return nil
}

// Finish ends the restore in one transaction. format is the value of the backup's record of the format, or nil.
func (r *Restore) Finish(ctx context.Context, format []byte, done Restored) error {
	_, err := r.store.Update(ctx, func(tx Tx) error {
		if err := r.Guard(tx); err != nil {
			return err
		}
		tx.Delete(RestoringKind.Keys)
		tx.Delete(formatKey)
		if format != nil {
			tx.Put(formatKey, format)
		}
		return restoreds.Put(tx, RestoredKind.Keys, done)
	})
	return err
}

// CheckFormat returns an ErrNewerVersion if a newer Midas has written a record of the format, which only this Midas'
// versions may be in for it to restore the records beside it.
func CheckFormat(rec Record) error {
	found, err := formats.Decode(rec)
	if err != nil {
		return err
	}
	if newer := found.beyond(formatRecord{Format: Format, Versions: versions()}); len(newer) > 0 {
		return fmt.Errorf("%w (%.40q): %s", ErrNewerVersion, found.Program, newer[0])
	}
	return nil
}

// IsFormat reports whether a key is that of the record of the format.
func IsFormat(key string) bool { return key == formatKey }

// DecodeRestored decodes the record of RestoredKind.
func DecodeRestored(rec Record) (Restored, error) { return restoreds.Decode(rec) }

// Lookup finds the kinds of many keys. It is safe for concurrent use.
type Lookup struct {
	kinds map[string][]Kind // by the first segment of their keys
}

// NewLookup makes a Lookup of all kinds.
func NewLookup() *Lookup {
	l := &Lookup{kinds: map[string][]Kind{}}
	for _, k := range Kinds() {
		first := firstSegment(k.Keys)
		l.kinds[first] = append(l.kinds[first], k)
	}
	return l
}

// Kind finds the kind of a key.
func (l *Lookup) Kind(key string) (Kind, bool) {
	for _, k := range l.kinds[firstSegment(key)] {
		if k.Holds(key) {
			return k, true
		}
	}
	return Kind{}, false
}

func firstSegment(key string) string {
	for i := range len(key) {
		if key[i] == '/' {
			return key[:i]
		}
	}
	return key
}

// ErrUnknownKind means that a key belongs to no kind.
var ErrUnknownKind = errors.New("this Midas knows no such kind of record")

// Check returns an error for a record of a kind that this Midas does not know (ErrUnknownKind), of a newer version
// (ErrNewerVersion), or without a version although its kind has one.
func (l *Lookup) Check(rec Record) (Kind, error) {
	kind, known := l.Kind(rec.Key)
	if !known {
		return kind, fmt.Errorf("the record %s: %w", clip(rec.Key), ErrUnknownKind)
	}
	if kind.Version == 0 {
		return kind, nil
	}
	if !json.Valid(rec.Value) {
		return kind, fmt.Errorf("the %s %s is not JSON", kind.Name, clip(rec.Key))
	}
	_, err := (&Table[struct{}]{Kind: kind}).Version(rec)
	return kind, err
}
