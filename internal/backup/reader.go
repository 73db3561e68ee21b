package backup

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"midas/internal/store"
)

// Reader reads a backup. It checks its form, the order of the keys and, at its end, the checksum; it does not check
// whether this Midas knows the records. Its memory is bounded by the largest record.
type Reader struct {
	Summary

	in   *bufio.Reader
	sum  hash.Hash
	last string // the key of the last record
}

// NewReader reads the header. An error about the file is an ErrFormat.
func NewReader(from io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(from, 1<<16), sum: sha256.New()}
	line, err := r.in.ReadSlice('\n')
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	if err != nil || len(line) > maxHeader {
		return nil, fmt.Errorf("%w: it is no backup of Midas", ErrFormat)
	}
	r.add(line)
	if r.Header, err = parseHeader(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
		return nil, err
	}
	return r, nil
}

// What an entry of a backup is: the number before its key is four times the length of the key, and this.
const (
	isRecord  = 0
	isChange  = 1
	isRemoval = 2
	meanings  = 4
)

// Entry is a record of a backup, or a change of what precedes it.
type Entry struct {
	store.Write
	Change bool
}

// Next returns the next entry. Its error is io.EOF at the end of a backup that is complete and undamaged.
func (r *Reader) Next() (e Entry, err error) {
	size, meaning, err := r.number()
	if err != nil {
		return e, err
	}
	if size == 0 && meaning == isRecord {
		return e, r.end()
	}
	key, err := r.bytes(size)
	if err != nil {
		return e, err
	}
	e.Key, e.Change, e.Delete = string(key), meaning != isRecord, meaning == isRemoval
	switch {
	case e.Key == "" || meaning > isRemoval:
		return e, r.damaged()
	case e.Change:
		r.Changes++
	case e.Key == r.last:
		return e, fmt.Errorf("%w: it has the key %.80q twice", ErrFormat, e.Key)
	case e.Key < r.last:
		return e, fmt.Errorf("%w: the key %.80q is not after %.80q", ErrFormat, e.Key, r.last)
	default:
		r.last = e.Key
		r.Records++
	}
	if e.Delete {
		return e, nil
	}
	if size, err = r.length(store.MaxValue); err == nil {
		e.Value, err = r.bytes(size)
	}
	return e, err
}

// number reads the number before a key: the length of the key, and what the entry is.
func (r *Reader) number() (size, meaning uint64, err error) {
	if r.Format == 1 {
		size, err = r.length(store.MaxKey)
		return size, isRecord, err
	}
	n, err := r.length(store.MaxKey*meanings + meanings - 1)
	return n / meanings, n % meanings, err
}

// end reads what follows the last record.
func (r *Reader) end() error {
	count, err := r.length(1 << 62)
	if err != nil {
		return err
	}
	newest, err := r.length(1 << 63)
	if err != nil {
		return err
	}
	copy(r.Sum[:], r.sum.Sum(nil))
	var stored [sha256.Size]byte
	if _, err := io.ReadFull(r.in, stored[:]); err != nil {
		return truncated(err)
	}
	r.Bytes += sha256.Size
	if subtle.ConstantTimeCompare(stored[:], r.Sum[:]) != 1 || count != uint64(r.Records+r.Changes) {
		return fmt.Errorf("%w: it is damaged, its checksum is wrong", ErrFormat)
	}
	if _, err := r.in.ReadByte(); err == nil {
		return fmt.Errorf("%w: something follows its end", ErrFormat)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the backup: %w", err)
	}
	r.Newest = store.Revision(newest)
	return io.EOF
}

// length reads a varint of at most limit.
func (r *Reader) length(limit uint64) (uint64, error) {
	var text [binary.MaxVarintLen64]byte
	for i := range text {
		b, err := r.in.ReadByte()
		if err != nil {
			return 0, truncated(err)
		}
		if text[i] = b; b >= 0x80 {
			continue
		}
		r.add(text[:i+1])
		n, read := binary.Uvarint(text[:i+1])
		if read != i+1 || n > limit || i > 0 && b == 0 { // a length has one spelling
			break
		}
		return n, nil
	}
	return 0, r.damaged()
}

func (r *Reader) bytes(n uint64) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(r.in, p); err != nil {
		return nil, truncated(err)
	}
	r.add(p)
	return p, nil
}

// damaged is the error of a file that is damaged where the Reader is.
func (r *Reader) damaged() error {
	if r.last == "" {
		return fmt.Errorf("%w: it is damaged after its first line", ErrFormat)
	}
	return fmt.Errorf("%w: it is damaged after the key %.80q", ErrFormat, r.last)
}

// add counts bytes of the file that the checksum covers.
func (r *Reader) add(p []byte) {
	_, _ = r.sum.Write(p) // a hash never returns an error
	r.Bytes += int64(len(p))
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is truncated", ErrFormat)
	}
	return fmt.Errorf("read the backup: %w", err)
}
