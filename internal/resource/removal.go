package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// secretRules is the version of the rules by which WithoutSecrets recognises secrets. A change of the code
// that recognises more secrets must raise it, so that those secrets are removed from stored records too.
// Records without a version were written by the rules before 2.
const secretRules = 2

// removal is stored when no record has secrets any more that the rules of this version recognise. A removal
// without a version was made by the rules before 2.
type removal struct {
	Rules int `json:"rules,omitempty"`
}

var secretsRemoved = store.Table[removal]{Kind: store.SecretsRemovedKind}

// withSecrets reads records of all versions and does not remove their secrets.
var withSecrets = store.Table[Record]{Kind: store.ResourceKind, Migrate: []func(json.RawMessage) (json.RawMessage, error){
	func(old json.RawMessage) (json.RawMessage, error) { return old, nil },
}}

// Limits of one transaction of RemoveSecrets.
const (
	migratedRecords = 50
	migratedBytes   = 256 << 10
)

// RemoveSecrets removes the secrets from records that were stored with them, or by rules that recognised fewer
// secrets. The function adopt first seals the values of a record that are kept. RemoveSecrets must run
// before anything reads the store as a whole. It may be called again after an error, and needs one read if
// there is nothing to do. The engine deletes the old values from the disk when it compacts its files.
func (s *Service) RemoveSecrets(ctx context.Context, adopt func(Record) (Record, error)) error {
	for after, done := "", false; !done; {
		next := ""
		_, err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			next, done, err = s.removeSecrets(tx, after, adopt)
			return err
		})
		if err != nil {
			return fmt.Errorf("remove secrets from stored resources: %w", err)
		}
		after = next
	}
	return nil
}

// removeSecrets removes the secrets of some records after a key. It returns the key of the last one.
func (s *Service) removeSecrets(tx store.Tx, after string, adopt func(Record) (Record, error)) (last string, done bool, err error) {
	if after == "" {
		if done, err := removedBefore(tx); done || err != nil {
			return "", done, err
		}
	}
	n, size := 0, 0
	for kept, err := range tx.Scan(store.Range{Prefix: store.ResourceKind.Keys, After: after, Limit: migratedRecords}) {
		if err != nil {
			return "", false, err
		}
		n, last = n+1, kept.Key
		written, err := s.rewrite(tx, kept, adopt)
		if err != nil {
			return "", false, err
		}
		if size += written; size > migratedBytes {
			return last, false, nil
		}
	}
	if n == migratedRecords {
		return last, false, nil
	}
	return last, true, secretsRemoved.Put(tx, store.SecretsRemovedKind.Keys, removal{secretRules})
}

// removedBefore reports whether these rules have removed secrets already. If a newer version of Midas has
// removed more, removedBefore lowers the stored version, because from now on records are written by these
// rules, and the newer version has to check them when it runs again.
func removedBefore(tx store.Tx) (bool, error) {
	was, err := secretsRemoved.Get(tx, store.SecretsRemovedKind.Keys)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, nil
	case err == nil && was.Rules > secretRules:
		err = secretsRemoved.Put(tx, store.SecretsRemovedKind.Keys, removal{secretRules})
	}
	return err == nil && was.Rules >= secretRules, err
}

// rewrite stores a record without its secrets, if it can have any, and returns the size that it had before.
func (s *Service) rewrite(tx store.Tx, kept store.Record, adopt func(Record) (Record, error)) (size int, err error) {
	rec, err := withSecrets.Decode(kept)
	if err != nil || madeHere(rec.Type) || rec.SecretRules >= secretRules {
		return 0, err
	}
	if _, err := tx.Get(kept.Key); err != nil { // so that the transaction conflicts with a change of the record
		return 0, err
	}
	if rec, err = adopt(rec); err != nil {
		return 0, err
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return 0, fmt.Errorf("record %s: %w", kept.Key, err)
	}
	return len(kept.Value), s.Put(tx, id, rec)
}
