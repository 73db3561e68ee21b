package resource

import (
	"context"
	"fmt"

	"midas/internal/arm"
	"midas/internal/store"
)

// SetUserData seals the user data of a virtual machine and puts them into its record. Azure returns user data
// to the machine itself, and to other callers only on explicit request, so they are not part of the
// properties. Empty data remove the user data of the record.
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

// UserData opens the user data of a record. They are empty if the record has none.
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

// ForgetUserData removes the user data of all records and returns their number. It is for a store whose master
// key was lost, since user data cannot be opened without the key that sealed them.
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

// forgetUserData removes the user data of some records after a key. It returns the key of the last one, which
// is empty if there are no more records.
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

// ResealUserData seals the user data of all records again, with the key with which UserData seals now.
func (s *Service) ResealUserData(ctx context.Context) error {
	for after, done := "", false; !done; {
		last := ""
		_, err := s.Store.Update(ctx, func(tx store.Tx) (err error) {
			last, err = s.resealUserData(tx, after)
			return err
		})
		if err != nil {
			return fmt.Errorf("seal the user data again: %w", err)
		}
		after, done = last, last == ""
	}
	return nil
}

// resealUserData seals the user data of some records after a key. It returns the key of the last one, which is empty
// if there are no more records.
func (s *Service) resealUserData(tx store.Tx, after string) (last string, err error) {
	seen := 0
	for row, err := range records.Scan(tx, store.Range{Prefix: store.ResourceKind.Keys, After: after, Limit: migratedRecords}) {
		if err != nil {
			return "", err
		}
		if seen, last = seen+1, row.Key; row.Data.UserData == nil {
			continue
		}
		rec, err := records.Get(tx, row.Key) // guards the record
		if err != nil {
			return "", err
		}
		id, err := arm.ParseID(rec.ID)
		if err != nil {
			return "", fmt.Errorf("record %s: %w", row.Key, err)
		}
		fresh, err := s.Config.UserData.Reseal(id.Key(), rec.UserData)
		if err != nil {
			return "", fmt.Errorf("open the user data of %s: %w", rec.ID, err)
		}
		if fresh == nil {
			continue
		}
		rec.UserData = fresh
		if err := s.Put(tx, id, rec); err != nil {
			return "", err
		}
	}
	if seen < migratedRecords {
		last = ""
	}
	return last, nil
}
