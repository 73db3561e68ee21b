package installation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"midas/internal/localca"
	"midas/internal/seal"
	"midas/internal/store"
)

var authorities = store.Table[authorityRow]{Kind: store.AuthorityKind}

// authorityPurpose is the purpose under which authorities are sealed. It must not change.
const authorityPurpose = "midas certificate authority"

// authorityRow is the record of an authority.
type authorityRow struct {
	Sealed []byte `json:"sealed"` // an authority
}

// authority is the plaintext of authorityRow.Sealed, both in PEM. The certificate is public, but it is sealed too,
// so that nobody can replace it in the store.
type authority struct {
	Key         []byte `json:"key"`
	Certificate []byte `json:"certificate,omitempty"`
}

// authorityStorage keeps one authority in the store. It implements localca.Storage.
type authorityStorage struct {
	store  store.Store
	sealer *seal.Sealer
	key    string // of the record
	folder string // where an earlier version has its files
}

// Authority returns the storage of the certificate authority with a name. If the store has none and the folder
// has the files of an earlier version, it takes them over. It then removes the file with the private key.
func (i *Installation) Authority(name, folder string) (localca.Storage, error) {
	sealer, err := seal.New(i.keys, authorityPurpose)
	if err != nil {
		return nil, err
	}
	return &authorityStorage{store: i.cfg.Store, sealer: sealer, key: store.AuthorityKind.Key("", name), folder: folder}, nil
}

// Names describes the record.
func (a *authorityStorage) Names() (key, certificate string) {
	return "the key in the record " + a.key, "the certificate in the record " + a.key
}

// Key returns the stored key, that of the files of an earlier version, or a new one.
func (a *authorityStorage) Key(ctx context.Context, create func() ([]byte, error)) ([]byte, error) {
	var found authority
	first := func() (authority, error) {
		key, certificate, err := localca.ReadFiles(a.folder)
		if errors.Is(err, fs.ErrNotExist) {
			key, err = create()
		}
		return authority{Key: key, Certificate: certificate}, err
	}
	err := a.change(ctx, func(was *authority) (*authority, error) {
		if was != nil {
			found = *was
			return nil, nil
		}
		fresh, err := first()
		found = fresh
		return &fresh, err
	})
	if err != nil {
		return nil, err
	}
	return found.Key, a.removeFile(found)
}

// removeFile removes the file with the private key of an earlier version, when the store has that key.
func (a *authorityStorage) removeFile(stored authority) error {
	name, _ := localca.FileStorage{Folder: a.folder}.Names()
	data, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(data, stored.Key) {
		return nil // there is no such file, or it is the key of another authority
	}
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("remove the file whose key is in the store now: %w", err)
	}
	return nil
}

// ChangeCertificate changes the certificate in the record.
func (a *authorityStorage) ChangeCertificate(ctx context.Context, change func([]byte) ([]byte, error)) error {
	return a.change(ctx, func(was *authority) (*authority, error) {
		if was == nil {
			return nil, fmt.Errorf("the record %s has been deleted", a.key)
		}
		fresh, err := change(was.Certificate)
		if err != nil || fresh == nil {
			return nil, err
		}
		return &authority{Key: was.Key, Certificate: fresh}, nil
	})
}

// change replaces the record in one transaction, unless fn returns nil.
func (a *authorityStorage) change(ctx context.Context, fn func(was *authority) (*authority, error)) error {
	_, err := a.store.Update(ctx, func(tx store.Tx) error {
		was, err := a.read(tx)
		if err != nil {
			return err
		}
		next, err := fn(was)
		if err != nil || next == nil {
			return err
		}
		plain, err := json.Marshal(next)
		if err != nil {
			return err
		}
		return authorities.Put(tx, a.key, authorityRow{Sealed: a.sealer.Seal(a.key, plain)})
	})
	if err != nil {
		return fmt.Errorf("store the certificate authority: %w", err)
	}
	return nil
}

func (a *authorityStorage) read(tx store.Tx) (*authority, error) {
	row, err := authorities.Get(tx, a.key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := a.sealer.Open(a.key, row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open the record %s: %w", a.key, err)
	}
	var found authority
	return &found, json.Unmarshal(plain, &found)
}
