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
func Dump(ctx context.Context, s Store, w io.Writer) error {
	out := bufio.NewWriter(w)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	begun := false
	err := s.View(ctx, func(tx Tx) error {
		if begun {
			return errors.New("the revision was lost during the dump; dump again")
		}
		begun = true
		for rec, err := range tx.Scan(Range{}) {
			if err != nil {
				return err
			}
			if err := lines.Encode(newDumpLine(rec)); err != nil {
				return fmt.Errorf("write %s: %w", clip(rec.Key), err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("dump the store: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dump the store: %w", err)
	}
	return nil
}

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
