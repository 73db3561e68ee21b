package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// SetUserData puts the user data of a virtual machine into its record, sealed. Azure shows it to the
// machine itself, and to others only when they ask for it by name; so it is not among the properties.
// Empty data are removed.
func (s *Service) SetUserData(rec *Record, data string) error {
	rec.UserData = nil
	if data == "" || s.Config.UserData == nil {
		return nil
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return fmt.Errorf("user data of %s: %w", rec.ID, err)
	}
	rec.UserData = s.Config.UserData.Seal(id.Key(), []byte(data))
	return nil
}

// UserData gives what SetUserData has sealed; empty when there is none.
func (s *Service) UserData(rec Record) (string, error) {
	if rec.UserData == nil || s.Config.UserData == nil {
		return "", nil
	}
	id, err := arm.ParseID(rec.ID)
	if err != nil {
		return "", fmt.Errorf("user data of %s: %w", rec.ID, err)
	}
	data, err := s.Config.UserData.Open(id.Key(), rec.UserData)
	if err != nil {
		return "", fmt.Errorf("user data of %s: %w", rec.ID, err)
	}
	return string(data), nil
}

// secretsRemoved is the record that says that no resource's record of version 1 is left.
var secretsRemoved = store.Table[struct{}]{Kind: store.SecretsRemovedKind}

// withSecrets reads records of version 1 with the secrets in them.
var withSecrets = store.Table[Record]{Kind: store.ResourceKind, Migrate: []func(json.RawMessage) (json.RawMessage, error){
	func(old json.RawMessage) (json.RawMessage, error) { return old, nil },
}}

// Limits of one transaction of RemoveSecrets.
const (
	migratedRecords = 50
	migratedBytes   = 256 << 10
)

// RemoveSecrets writes the records anew that were stored before secrets were left out, and without
// them. adopt first takes out of a record what is to be kept sealed. RemoveSecrets must run before
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
		_, err := secretsRemoved.Get(tx, store.SecretsRemovedKind.Keys)
		if !errors.Is(err, store.ErrNotFound) {
			return "", err == nil, err
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
	return last, true, secretsRemoved.Put(tx, store.SecretsRemovedKind.Keys, struct{}{})
}

// rewrite puts one record without its secrets, if it could have any, and gives the size of what it was.
func (s *Service) rewrite(tx store.Tx, kept store.Record, adopt func(Record) (Record, error)) (size int, err error) {
	version, err := withSecrets.Version(kept)
	if err != nil || version == store.ResourceKind.Version {
		return 0, err
	}
	rec, err := withSecrets.Decode(kept)
	if err != nil || madeHere(rec.Type) {
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

// ForgetUserData removes all user data, which nobody can open any more without the master key that has
// sealed them, and says of how many machines.
func (s *Service) ForgetUserData(ctx context.Context) (n int, err error) {
	for after, done := "", false; !done; {
		found, last := 0, ""
		_, err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			found, last, err = s.forgetUserData(tx, after)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("remove user data: %w", err)
		}
		n, after, done = n+found, last, last == ""
	}
	return n, nil
}

// forgetUserData does a part of it; last is empty when there is no more.
func (s *Service) forgetUserData(tx store.Tx, after string) (n int, last string, err error) {
	seen := 0
	for row, err := range records.Scan(tx, store.Range{Prefix: store.ResourceKind.Keys, After: after, Limit: migratedRecords}) {
		if err != nil {
			return 0, "", err
		}
		seen, last = seen+1, row.Key
		if row.Data.UserData == nil {
			continue
		}
		rec := row.Data
		rec.UserData = nil
		id, err := arm.ParseID(rec.ID)
		if err != nil {
			return 0, "", fmt.Errorf("record %s: %w", row.Key, err)
		}
		if err := s.Put(tx, id, rec); err != nil {
			return 0, "", err
		}
		n++
	}
	if seen < migratedRecords {
		last = ""
	}
	return n, last, nil
}
