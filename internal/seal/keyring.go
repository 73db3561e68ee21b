package seal

import "sync/atomic"

// Keyring holds the keys of an installation: the first seals, and all of them open. It can change while Sealers
// use it, so that a server goes on while its keys are replaced. It is safe for concurrent use.
type Keyring struct{ keys atomic.Pointer[[]MasterKey] }

// NewKeyring makes a keyring with at least one key.
func NewKeyring(keys ...MasterKey) *Keyring {
	k := &Keyring{}
	k.Set(keys...)
	return k
}

// Set replaces the keys. There must be at least one.
func (k *Keyring) Set(keys ...MasterKey) {
	all := append([]MasterKey(nil), keys...)
	k.keys.Store(&all)
}

// Keys returns the keys. The caller must not change them.
func (k *Keyring) Keys() []MasterKey { return *k.keys.Load() }

func (k *Keyring) ring() *Keyring { return k }

// Source is what Sealers and Hashers derive their keys from: a MasterKey or a Keyring.
type Source interface{ ring() *Keyring }

func (m MasterKey) ring() *Keyring { return NewKeyring(m) }
