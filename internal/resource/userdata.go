package resource

import (
	"context"
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
