package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"midas/internal/store"
)

// MasterKey seals the signing keys at rest. It is made once for an installation and is kept apart
// from the store, so that a copy of the store signs nothing.
type MasterKey [32]byte

// The ways in which a key could slip into a log all give the same word.
const redacted = "[redacted]"

func (MasterKey) String() string       { return redacted }
func (MasterKey) GoString() string     { return redacted }
func (MasterKey) LogValue() slog.Value { return slog.StringValue(redacted) }

func (m MasterKey) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(m[:])
	if err != nil {
		return nil, fmt.Errorf("use the master key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

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

// headRow is the record under headKey. Nothing reads it but the transactions that it guards.
type headRow struct {
	Changed time.Time `json:"changed"`
}

// sealedKey is what only the master key opens. The certificate is public, but it lies inside so
// that nobody can swap it under a key.
type sealedKey struct {
	PKCS8       []byte `json:"pkcs8"`
	Certificate []byte `json:"certificate"`
}

// seal makes the row of k. The kid is additional data: a sealed key opens under its own name only.
func (k *signingKey) seal(master MasterKey) (keyRow, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return keyRow{}, fmt.Errorf("encode signing key: %w", err)
	}
	plain, err := json.Marshal(sealedKey{PKCS8: der, Certificate: k.certificate})
	if err != nil {
		return keyRow{}, fmt.Errorf("encode signing key: %w", err)
	}
	aead, err := master.aead()
	if err != nil {
		return keyRow{}, err
	}
	return keyRow{
		KID: k.kid, Created: k.created, SignFrom: k.signFrom,
		Sealed: aead.Seal(nil, nil, plain, []byte(k.kid)),
	}, nil
}

// open reads the row of a signing key.
func open(rec store.Record, master MasterKey) (*signingKey, error) {
	row, err := rows.Decode(rec)
	if err != nil {
		return nil, err
	}
	if rowPrefix+row.KID != rec.Key {
		return nil, fmt.Errorf("read signing key %s: the row names %q", rec.Key, row.KID)
	}
	aead, err := master.aead()
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, row.Sealed, []byte(row.KID))
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
