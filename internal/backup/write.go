package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"midas/internal/store"
)

// Write writes all records of a store at one revision. It fills in the Header's Midas and Format. It returns
// store.ErrRestoring for a store whose restore has not ended. If it returns an error, what it has written is
// incomplete, and a Reader refuses it. shared says that other processes write the store.
func Write(ctx context.Context, s store.Store, shared bool, h Header, to io.Writer) error {
	if err := s.View(ctx, notRestoring); err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	h.Midas, h.Format = kind, Format
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	sum := sha256.New()
	w := &writer{out: bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<16)}
	w.write(append(line, '\n'))
	if err = copyTo(ctx, s, shared, w); err == nil {
		w.length(0)
		w.length(uint64(w.count))
		w.length(uint64(w.newest))
		err = errors.Join(w.err, w.out.Flush())
	}
	if err == nil {
		_, err = to.Write(sum.Sum(nil))
	}
	if err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	return nil
}

// notRestoring returns store.ErrRestoring while the store is being restored. A store with records cannot become one.
func notRestoring(tx store.Tx) error {
	if _, err := tx.Get(store.RestoringKind.Keys); !errors.Is(err, store.ErrNotFound) {
		return errors.Join(store.ErrRestoring, err)
	}
	return nil
}

// copyTo copies a store. The engine of a store that only this process writes keeps a revision for as long as it is read.
func copyTo(ctx context.Context, s store.Store, shared bool, to sink) error {
	if shared {
		return copyPages(ctx, s, to)
	}
	begun := false
	return s.View(ctx, func(tx store.Tx) error {
		if begun { // the records of another revision would not fit
			return errors.New("the engine has removed the revision in the meantime; begin again")
		}
		begun = true
		for rec, err := range tx.Scan(store.Range{}) {
			if err == nil {
				err = to.records([]store.Record{rec})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// writer writes the parts of a backup and keeps the first error.
type writer struct {
	out    *bufio.Writer
	count  int
	newest store.Revision
	err    error
}

func (w *writer) records(all []store.Record) error {
	for _, rec := range all {
		w.entry(isRecord, rec.Key, rec.Value)
		w.newest = max(w.newest, rec.Revision)
	}
	return w.err
}

func (w *writer) changes(all []store.Change) error {
	for _, c := range all {
		if c.Deleted {
			w.entry(isRemoval, c.Key, nil)
		} else {
			w.entry(isChange, c.Key, c.Value)
		}
		w.newest = max(w.newest, c.Revision)
	}
	return w.err
}

func (w *writer) entry(meaning int, key string, value []byte) {
	w.length(uint64(len(key)*meanings + meaning))
	w.write([]byte(key))
	if meaning != isRemoval {
		w.length(uint64(len(value)))
		w.write(value)
	}
	w.count++
}

func (w *writer) write(p []byte) {
	if w.err == nil {
		_, w.err = w.out.Write(p)
	}
}

func (w *writer) length(n uint64) {
	var p [binary.MaxVarintLen64]byte
	w.write(p[:binary.PutUvarint(p[:], n)])
}
