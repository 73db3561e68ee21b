package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Format is the version of the whole store's layout: its kinds and the content of its indexes. Raise it if an
// older Midas must not use a store that this one has written, although it could read each record: for a new
// kind that restricts rights, or an index with another meaning.
const Format = 1

// formatRecord has the format of a store and the versions of all kinds.
type formatRecord struct {
	Format   int            `json:"format"`
	Versions map[string]int `json:"versions"`         // by the name of the kind
	Program  string         `json:"program"`          // that raised one of them last, "v1.4.0"
	Claims   uint64         `json:"claims,omitempty"` // how often a replica has begun to use the store
}

const formatKey = "m/format"

var formats = Table[formatRecord]{Kind: FormatKind}

// Claim compares the format and the versions of a store with those of this Midas. It refuses a store that a
// newer Midas has written, with an ErrNewerVersion, before anything is written to it. Otherwise it records the
// format and the versions that this Midas writes, so that an older Midas refuses the store from now on.
// program is the version of this Midas. It is for a store that no other process uses; see ClaimShared.
func Claim(ctx context.Context, s Store, program string) error {
	return claim(ctx, s, formatRecord{Format: Format, Versions: versions(), Program: program})
}

func claim(ctx context.Context, s Store, own formatRecord) error {
	_, err := s.Update(ctx, func(tx Tx) error {
		if err := notRestoring(tx); err != nil {
			return err
		}
		found, err := formats.Get(tx, formatKey)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err := found.notBeyond(own); err != nil {
			return err
		}
		// Kinds that only a newer Midas has stay in the record, because that Midas may run again.
		next := formatRecord{Format: own.Format, Versions: maps.Clone(own.Versions), Program: own.Program}
		for name, version := range found.Versions {
			next.Versions[name] = max(version, next.Versions[name])
		}
		if found.Format == next.Format && maps.Equal(found.Versions, next.Versions) {
			return nil
		}
		return formats.Put(tx, formatKey, next)
	})
	return err
}

// notBeyond returns an ErrNewerVersion if r has a part that is newer than that of own.
func (r formatRecord) notBeyond(own formatRecord) error {
	newer := r.beyond(own)
	if len(newer) == 0 {
		return nil
	}
	return fmt.Errorf("the store was %w (%s): it has %s; run that version or a later one",
		ErrNewerVersion, r.Program, strings.Join(newer, ", "))
}

// beyond describes the parts of r that are newer than those of own.
func (r formatRecord) beyond(own formatRecord) []string {
	var newer []string
	if r.Format > own.Format {
		newer = append(newer, fmt.Sprintf("format %d, and this one knows formats up to %d", r.Format, own.Format))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		known, exists := own.Versions[name]
		if exists && r.Versions[name] > known {
			newer = append(newer, fmt.Sprintf("version %d of the record %q, and this one knows versions up to %d", r.Versions[name], name, known))
		}
	}
	return newer
}

// versions are the versions of all kinds that have one, by name.
func versions() map[string]int {
	all := map[string]int{}
	for _, k := range Kinds() {
		if k.Version > 0 {
			all[k.Name] = k.Version
		}
	}
	return all
}
