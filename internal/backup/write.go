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

// Write writes all records of one revision of a store. It fills in the Header's Midas and Format. It returns
// store.ErrRestoring for a store whose restore has not ended. If it returns an error, what it has written is
// incomplete, and a Reader refuses it.
func Write(ctx context.Context, s store.Store, h Header, to io.Writer) error {
	h.Midas, h.Format = kind, Format
	line, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	sum := sha256.New()
	w := &writer{out: bufio.NewWriterSize(io.MultiWriter(to, sum), 1<<16)}
	w.write(append(line, '\n'))
	begun := false
	err = s.View(ctx, func(tx store.Tx) error {
		if begun { // the engine no longer has the revision, and the records of another one would not fit
			return errors.New("the engine has removed the revision during the backup; begin again")
		}
		begun = true
		if _, err := tx.Get(store.RestoringKind.Keys); !errors.Is(err, store.ErrNotFound) {
			return errors.Join(store.ErrRestoring, err)
		}
		return w.records(tx)
	})
	if err == nil {
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

// writer writes the parts of a backup and keeps the first error.
type writer struct {
	out    *bufio.Writer
	count  int
	newest store.Revision
	err    error
}

func (w *writer) records(tx store.Tx) error {
	for rec, err := range tx.Scan(store.Range{}) {
		if err != nil {
			return err
		}
		w.length(uint64(len(rec.Key)))
		w.write([]byte(rec.Key))
		w.length(uint64(len(rec.Value)))
		w.write(rec.Value)
		if w.err != nil {
			return w.err
		}
		w.count++
		w.newest = max(w.newest, rec.Revision)
	}
	return nil
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
