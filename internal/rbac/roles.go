package rbac

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"midas/internal/arm"
	"midas/internal/store"
)

// roles finds compiled roles. The embedded library is decoded role by role when it is used; stored roles are
// decoded once for each revision of their record.
type roles struct {
	embedded *library
	imported store.Decoded[*library]
	custom   store.Decoded[*role]
}

// customRoles is the table of custom roles, and importedRoles that of the single record with the imported
// built-in roles. The list of imported roles is one record, so that an import changes all of them or none.
var (
	customRoles   = store.Table[Definition]{Kind: store.CustomRoleKind}
	importedRoles = store.Table[importedText]{Kind: store.ImportedRolesKind}
)

// importedKey is the key of the record with the imported roles.
var importedKey = store.ImportedRolesKind.Keys + "roles"

// importedText is the text of a library, compressed with gzip.
type importedText struct {
	Text []byte `json:"text"`
}

// customKey is the key of a custom role.
func customKey(tenant, guid string) string {
	return store.CustomRoleKind.Keys + arm.Fold(tenant) + "/" + arm.Fold(guid)
}

// role returns the compiled role of a GUID, which is folded, or nil if the tenant has no such role. A role that
// is part of Midas or replaces such a role comes before a custom role with the same id, and a custom role before
// an imported role that Midas did not know when the custom role was created.
func (s *Service) role(tx store.Tx, tenant, guid string) (*role, error) {
	library, err := s.library(tx)
	if err != nil || library.holds(guid) {
		if err != nil {
			return nil, err
		}
		return library.role(guid)
	}
	rec, err := tx.Get(customKey(tenant, guid))
	if err == nil {
		return s.roles.custom.Of(rec, decodeCustom)
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("read role %s: %w", guid, err)
	}
	return library.role(guid)
}

// library returns the built-in roles: the imported ones and those that are part of Midas.
func (s *Service) library(tx store.Tx) (*library, error) {
	rec, err := tx.Get(importedKey)
	if errors.Is(err, store.ErrNotFound) {
		return s.roles.embedded, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the imported roles: %w", err)
	}
	return s.roles.imported.Of(rec, s.decodeImported)
}

func (s *Service) decodeImported(rec store.Record) (*library, error) {
	stored, err := importedRoles.Decode(rec)
	if err != nil {
		return nil, err
	}
	text, err := decompress(stored.Text)
	if err != nil {
		return nil, fmt.Errorf("decompress the imported roles: %w", err)
	}
	return newLibrary(text, s.roles.embedded), nil
}

func decodeCustom(rec store.Record) (*role, error) {
	d, err := customRoles.Decode(rec)
	if err != nil {
		return nil, err
	}
	return compileRole(d), nil
}

func compress(text string) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// decompress is the reverse of compress. The text is not longer than the file from which it was made.
func decompress(packed []byte) (string, error) {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(r, 2*MaxDefinitionFile))
	return string(text), err
}
