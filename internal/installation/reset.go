package installation

import (
	"crypto/rand"
	"errors"

	"midas/internal/seal"
	"midas/internal/store"
)

// Reset replaces the store keys when the master key is lost or others have seen it.
type Reset struct {
	master seal.MasterKey
	old    []seal.MasterKey
	key    seal.MasterKey // the new store key
	keys   *seal.Keyring
}

// NewReset prepares a reset. old are the master keys that may open the store.
func NewReset(master seal.MasterKey, old []seal.MasterKey) (*Reset, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	return &Reset{master: master, old: old, key: key, keys: seal.NewKeyring(key)}, nil
}

// Keys is the new store key. What the transaction of Apply stores must be sealed with it.
func (r *Reset) Keys() *seal.Keyring { return r.keys }

// Apply replaces the record of the installation, in a transaction, and seals the certificate authorities again. lost
// says that it has removed them, because none of the old master keys opens the store.
func (r *Reset) Apply(tx store.Tx) (lost bool, err error) {
	rec, err := records.Get(tx, recordKey)
	if errors.Is(err, store.ErrNotFound) {
		rec, err = record{ID: rand.Text()}, nil
	}
	if err != nil {
		return false, err
	}
	ring := seal.NewKeyring(append([]seal.MasterKey{r.key}, r.opened(rec)...)...)
	key, err := rec.wrap(r.key, r.master)
	if err != nil {
		return false, err
	}
	rec.Keys = []storedKey{key}
	if err := records.Put(tx, recordKey, rec); err != nil {
		return false, err
	}
	sealer, err := seal.New(ring, authorityPurpose)
	if err != nil {
		return false, err
	}
	for row, err := range authorities.Scan(tx, store.Range{Prefix: store.AuthorityKind.Keys}) {
		if err != nil {
			return false, err
		}
		fresh, err := sealer.Reseal(row.Key, row.Data.Sealed)
		if errors.Is(err, seal.ErrSealed) {
			lost = true
			tx.Delete(row.Key)
			continue
		}
		if err != nil {
			return false, err
		}
		if fresh == nil {
			continue
		}
		if err := authorities.Put(tx, row.Key, authorityRow{Sealed: fresh}); err != nil {
			return false, err
		}
	}
	return lost, nil
}

// opened returns the store keys that one of the old master keys opens.
func (r *Reset) opened(rec record) (keys []seal.MasterKey) {
	for _, stored := range rec.Keys {
		for _, master := range r.old {
			if key, err := rec.unwrap(stored, master); err == nil {
				keys = append(keys, key)
				break
			}
		}
	}
	return keys
}
