package token

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"midas/internal/seal"
	"midas/internal/store"
)

// keyRow is the record of one signing key.
type keyRow struct {
	KID      string    `json:"kid"`
	Created  time.Time `json:"created"`
	SignFrom time.Time `json:"signFrom"`
	Sealed   []byte    `json:"sealed"` // nonce and ciphertext of a sealedKey
}

var (
	rows = store.Table[keyRow]{Kind: store.KeyKind}
	head = store.Table[headRow]{Kind: store.KeyKind}
)

// headRow is the record under headKey. Only the transactions that it guards read it.
type headRow struct {
	Changed time.Time `json:"changed"`
}

// sealedKey is the plaintext of keyRow.Sealed. The certificate is public, but it is encrypted too, so that
// nobody can replace the certificate of a key.
type sealedKey struct {
	PKCS8       []byte `json:"pkcs8"`
	Certificate []byte `json:"certificate"`
}

// seal makes the row of k. The kid is the additional authenticated data, so that a sealed key cannot be moved
// to the row of another kid.
func (k *signingKey) seal(master seal.Source) (keyRow, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return keyRow{}, fmt.Errorf("encode signing key: %w", err)
	}
	plain, err := json.Marshal(sealedKey{PKCS8: der, Certificate: k.certificate})
	if err != nil {
		return keyRow{}, fmt.Errorf("encode signing key: %w", err)
	}
	sealer, err := seal.NewUnderived(master)
	if err != nil {
		return keyRow{}, err
	}
	return keyRow{
		KID: k.kid, Created: k.created, SignFrom: k.signFrom,
		Sealed: sealer.Seal(k.kid, plain),
	}, nil
}

// open reads the row of a signing key.
func open(rec store.Record, master seal.Source) (*signingKey, error) {
	row, err := rows.Decode(rec)
	if err != nil {
		return nil, err
	}
	if rowPrefix+row.KID != rec.Key {
		return nil, fmt.Errorf("read signing key %s: the row names %q", rec.Key, row.KID)
	}
	sealer, err := seal.NewUnderived(master)
	if err != nil {
		return nil, err
	}
	plain, err := sealer.Open(row.KID, row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open signing key %s: %w", row.KID, ErrMaster)
	}
	var s sealedKey
	if err := json.Unmarshal(plain, &s); err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", row.KID, err)
	}
	private, err := x509.ParsePKCS8PrivateKey(s.PKCS8)
	if err != nil {
		return nil, fmt.Errorf("read signing key %s: %w", row.KID, err)
	}
	pair, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("read signing key %s: it is a %T", row.KID, private)
	}
	return newSigningKey(pair, s.Certificate, row.Created, row.SignFrom, rec.Revision)
}
