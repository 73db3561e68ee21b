package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// dumpLine is one record as Dump writes it. A key and a value each have one of two encodings.
type dumpLine struct {
	Key         string          `json:"key,omitempty"`
	KeyBase64   []byte          `json:"keyBase64,omitempty"` // of a key that is not UTF-8
	Revision    Revision        `json:"revision"`
	Value       json.RawMessage `json:"value,omitempty"`
	ValueBase64 *[]byte         `json:"valueBase64,omitempty"` // of a value that is not JSON
}

// Dump writes all records of one revision as lines of JSON, in key order, for operators and for scripts:
//
//	{"key":"p/42","revision":7,"value":{"v":1}}
//
// A value that is JSON is written as JSON, without insignificant spaces; any other value is written as
// "valueBase64". A key that is not UTF-8 is written as "keyBase64".
//
// It is for an engine that keeps a revision for as long as it is read; backup.Dump is for the others.
func Dump(ctx context.Context, s Store, w io.Writer) error {
	out := NewDumper(w)
	begun := false
	err := s.View(ctx, func(tx Tx) error {
		if begun {
			return errors.New("the revision was lost during the dump; dump again")
		}
		begun = true
		for rec, err := range tx.Scan(Range{}) {
			if err == nil {
				err = out.Write(rec)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("dump the store: %w", err)
	}
	return nil
}

// Dumper writes the lines of a dump.
type Dumper struct {
	out   *bufio.Writer
	lines *json.Encoder
}

// NewDumper makes a Dumper. Flush must be called at the end.
func NewDumper(w io.Writer) *Dumper {
	d := &Dumper{out: bufio.NewWriter(w)}
	d.lines = json.NewEncoder(d.out)
	d.lines.SetEscapeHTML(false)
	return d
}

// Write writes one record.
func (d *Dumper) Write(rec Record) error {
	if err := d.lines.Encode(newDumpLine(rec)); err != nil {
		return fmt.Errorf("write %s: %w", clip(rec.Key), err)
	}
	return nil
}

// Flush writes what is still in memory.
func (d *Dumper) Flush() error { return d.out.Flush() }

func newDumpLine(rec Record) dumpLine {
	line := dumpLine{Revision: rec.Revision}
	if utf8.ValidString(rec.Key) {
		line.Key = rec.Key
	} else {
		line.KeyBase64 = []byte(rec.Key)
	}
	if utf8.Valid(rec.Value) && json.Valid(rec.Value) {
		line.Value = bytes.Clone(rec.Value)
	} else {
		line.ValueBase64 = &rec.Value
	}
	return line
}
