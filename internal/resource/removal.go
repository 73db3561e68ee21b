package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// secretRules numbers the rules by which secrets are known: WithoutSecrets and all that it asks. Whoever
// makes them know more raises it, so that what was stored before loses what only the newer rules know.
// Records without a number were written by the rules before 2.
const secretRules = 2

// removal is the record that says that no resource's record is left with secrets that the rules of a
// number know. A removal without a number was by the rules before 2.
type removal struct {
	Rules int `json:"rules,omitempty"`
}

var secretsRemoved = store.Table[removal]{Kind: store.SecretsRemovedKind}

// withSecrets reads records of all versions and rules with the secrets in them.
var withSecrets = store.Table[Record]{Kind: store.ResourceKind, Migrate: []func(json.RawMessage) (json.RawMessage, error){
	func(old json.RawMessage) (json.RawMessage, error) { return old, nil },
}}

// Limits of one transaction of RemoveSecrets.
const (
	migratedRecords = 50
	migratedBytes   = 256 << 10
)

// RemoveSecrets writes the records anew that were stored before secrets were left out, or by rules that
// knew fewer of them, and without them. adopt first takes out of a record what is to be kept sealed. RemoveSecrets must run before
// anything reads the store as a whole. It may be called again after a failure, and costs one read when
// there is nothing to do. Older versions of a value leave the disk when the engine compacts its files.
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

// removeSecrets does a part of it, and gives the key up to which it has come.
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

// removedBefore tells whether secrets were removed by these rules already. Where a newer Midas has removed
// more, its number is taken back, because from now on records are written by these rules: when it runs
// again, it has to look at them.
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

// rewrite puts one record without its secrets, if it could have any, and gives the size of what it was.
func (s *Service) rewrite(tx store.Tx, kept store.Record, adopt func(Record) (Record, error)) (size int, err error) {
	rec, err := withSecrets.Decode(kept)
	if err != nil || madeHere(rec.Type) || rec.SecretRules >= secretRules {
		return 0, err
	}
	if _, err := tx.Get(kept.Key); err != nil { // so that nobody else changes it meanwhile
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
