package installation

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"midas/internal/seal"
	"midas/internal/store"
)

var (
	records   = store.Table[record]{Kind: store.InstallationKind}
	recordKey = store.InstallationKind.Keys
)

// purpose is the purpose under which store keys are sealed with the master key. It must not change.
const purpose = "midas store key"

// record is the record of an installation.
type record struct {
	ID     string      `json:"id"`
	Origin string      `json:"origin,omitempty"`
	Keys   []storedKey `json:"keys"`          // the first seals, all of them open
	Run    string      `json:"run,omitempty"` // of the change of the master key that is not finished
}

// storedKey is a sealed store key.
type storedKey struct {
	ID        string   `json:"id"`
	Sealed    [][]byte `json:"sealed"`              // the key, sealed under each master key that is valid now
	WasMaster bool     `json:"wasMaster,omitempty"` // it was the master key of an earlier version
	Next      bool     `json:"next,omitempty"`      // it replaces the other keys
}

// read returns the record of a store; nil if there is none.
func read(ctx context.Context, st store.Store) (*record, error) {
	rec, err := records.Load(ctx, st, recordKey)
	if err != nil {
		return nil, fmt.Errorf("read the installation: %w", err)
	}
	return rec, nil
}

// context is what a sealed store key is bound to.
func (r record) context(keyID string) string { return recordKey + "/" + r.ID + "/" + keyID }

// wrap seals a new store key under master keys.
func (r record) wrap(key seal.MasterKey, masters ...seal.MasterKey) (storedKey, error) {
	stored := storedKey{ID: rand.Text()}
	for _, master := range masters {
		if err := r.wrapAlso(&stored, key, master); err != nil {
			return stored, err
		}
	}
	return stored, nil
}

// wrapAlso seals a store key under one more master key, unless that opens it already.
func (r record) wrapAlso(stored *storedKey, key, master seal.MasterKey) error {
	if _, err := r.unwrap(*stored, master); err == nil {
		return nil
	}
	sealer, err := seal.New(master, purpose)
	if err != nil {
		return err
	}
	stored.Sealed = append(slices.Clone(stored.Sealed), sealer.Seal(r.context(stored.ID), key[:]))
	return nil
}

// unwrap opens a store key, or returns ErrMaster.
func (r record) unwrap(stored storedKey, master seal.MasterKey) (key seal.MasterKey, err error) {
	sealer, err := seal.New(master, purpose)
	if err != nil {
		return key, err
	}
	for _, sealed := range stored.Sealed {
		if plain, err := sealer.Open(r.context(stored.ID), sealed); err == nil && len(plain) == len(key) {
			return seal.MasterKey(plain), nil
		}
	}
	return key, fmt.Errorf("open the store key %s: %w", stored.ID, ErrMaster)
}
