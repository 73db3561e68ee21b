// Package installation holds what all replicas of one installation share and what nobody else may know: the store
// keys and the certificate authorities, and beside them the id and the origin of the installation. All of it lies
// in the store, sealed.
//
// The store keys seal every other secret in the store. They lie there sealed under the master key, which is
// outside of the store. So a replica needs a store and the master key, and a new master key does not change
// anything but one record. A store of an earlier version has no such record: its secrets are sealed under
// the master key itself, which therefore becomes its first store key, until Reseal replaces it.
package installation

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"midas/internal/seal"
	"midas/internal/store"
)

// ErrMaster means that the master key is not the one of the store.
var ErrMaster = errors.New("the secrets in the store are sealed with another master key")

// Config is what Open needs. Store, Master and Sealed are required.
type Config struct {
	Store  store.Store
	Master seal.MasterKey

	// Reread reads the master key again, after Reseal at another replica has changed it. nil: it cannot be read again.
	Reread func(ctx context.Context) (seal.MasterKey, error)

	// Sealed reports whether a store without a record of the installation has secrets, which an earlier version
	// has sealed with the master key. It returns an error if the master key does not open them.
	Sealed func(tx store.Tx, master seal.MasterKey) (bool, error)

	// Origin is the origin that all replicas must have; empty if only one process can use the store, which
	// may then change it.
	Origin string

	// Known is the id of the installation to which the data folder of the replica belongs; empty if it has none yet.
	Known string
}

// Installation is the open installation of a store. It is safe for concurrent use.
type Installation struct {
	cfg  Config
	id   string
	keys *seal.Keyring

	resealing sync.Mutex // one Reseal at a time

	mu     sync.Mutex
	master seal.MasterKey
	known  map[string]seal.MasterKey // the store keys that were opened, by id
	run    string                    // of an unfinished change of the master key
}

// Check returns an error if Open would refuse the store, and whether the store has secrets. It writes nothing.
func Check(ctx context.Context, cfg Config) (secrets bool, err error) {
	rec, secrets, err := cfg.find(ctx)
	if err != nil || rec == nil {
		return secrets, err
	}
	i := newInstallation(cfg)
	return true, errors.Join(i.adopt(ctx, *rec), i.checkOrigin(*rec))
}

// Open reads the installation of a store, or begins it. Of several replicas that begin it at the same time one
// succeeds, and the others adopt its keys, or get ErrMaster if they have another master key.
func Open(ctx context.Context, cfg Config) (*Installation, error) {
	i := newInstallation(cfg)
	rec, secrets, err := cfg.find(ctx)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		if rec, err = i.begin(ctx, secrets); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(i.adopt(ctx, *rec), i.checkOrigin(*rec)); err != nil {
		return nil, err
	}
	return i, i.recordOrigin(ctx, *rec)
}

// find returns the record of the store, nil if there is none, and whether the store has secrets. Both are of one
// revision: when another replica has begun the installation, it seals its secrets with a key of the record, and they
// must not be taken for those of an earlier version.
func (c Config) find(ctx context.Context) (rec *record, secrets bool, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		found, err := records.Get(tx, recordKey)
		switch {
		case err == nil:
			rec, secrets = &found, true
			return c.checkKnown(rec)
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("read the installation: %w", err)
		}
		rec = nil
		if err := c.checkKnown(nil); err != nil {
			return err
		}
		secrets, err = c.Sealed(tx, c.Master)
		return err
	})
	return rec, secrets, err
}

// ErrOther means that the store is not the one of the data folder.
var ErrOther = errors.New("the data folder belongs to another installation than the store")

// checkKnown compares the installation of the data folder with that of the store, nil if the store is empty.
func (c Config) checkKnown(rec *record) error {
	switch {
	case c.Known == "" || rec != nil && rec.ID == c.Known:
		return nil
	case rec == nil:
		return fmt.Errorf("%w: the folder belongs to %s, and the store is empty; is its address or its prefix wrong?", ErrOther, c.Known)
	}
	return fmt.Errorf("%w: the folder belongs to %s, and the store to %s; is the address or the prefix of the store wrong?", ErrOther, c.Known, rec.ID)
}

// Belongs returns ErrOther if the store is not that of the installation known, the id of a data folder. An empty id
// belongs to every store.
func Belongs(ctx context.Context, st store.Store, known string) error {
	if known == "" {
		return nil
	}
	rec, err := read(ctx, st)
	if err != nil {
		return err
	}
	return Config{Known: known}.checkKnown(rec)
}

func newInstallation(cfg Config) *Installation {
	return &Installation{cfg: cfg, master: cfg.Master, known: map[string]seal.MasterKey{}}
}

// begin stores the record of a new installation, unless another replica has stored one. sealed says that the store has
// secrets of an earlier version.
func (i *Installation) begin(ctx context.Context, sealed bool) (_ *record, err error) {
	first := i.cfg.Master // of an earlier version
	if !sealed {
		if first, err = newKey(); err != nil {
			return nil, err
		}
	}
	fresh := record{ID: rand.Text(), Origin: i.cfg.Origin}
	key, err := fresh.wrap(first, i.cfg.Master)
	if err != nil {
		return nil, err
	}
	key.WasMaster = sealed
	fresh.Keys = []storedKey{key}
	var rec record
	_, err = i.cfg.Store.Update(ctx, func(tx store.Tx) (err error) {
		if rec, err = records.Get(tx, recordKey); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		rec = fresh
		return records.Put(tx, recordKey, rec)
	})
	if err != nil {
		return nil, fmt.Errorf("begin the installation: %w", err)
	}
	return &rec, nil
}

func newKey() (key seal.MasterKey, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// errReread means that the master key could not be read again now.
var errReread = errors.New("the master key cannot be read again")

// adopt opens the keys of a record. Keys that were opened before need no master key.
func (i *Installation) adopt(ctx context.Context, rec record) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys, err := i.open(rec)
	if errors.Is(err, ErrMaster) && i.cfg.Reread != nil {
		master, readErr := i.cfg.Reread(ctx)
		if readErr != nil {
			return errors.Join(err, errReread, readErr)
		}
		i.master = master
		keys, err = i.open(rec)
	}
	if err != nil {
		return err
	}
	if i.id, i.run = rec.ID, rec.Run; i.keys == nil {
		i.keys = seal.NewKeyring(keys...)
		return nil
	}
	i.keys.Set(keys...)
	return nil
}

// open opens the keys of a record with the master key, under mu.
func (i *Installation) open(rec record) ([]seal.MasterKey, error) {
	var keys []seal.MasterKey
	for _, stored := range rec.Keys {
		key, ok := i.known[rec.ID+stored.ID]
		if !ok {
			var err error
			if key, err = rec.unwrap(stored, i.master); err != nil {
				return nil, err
			}
			i.known[rec.ID+stored.ID] = key
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("read the installation: %w", ErrMaster)
	}
	return keys, nil
}

// ErrOrigin means that another origin is recorded in the store.
var ErrOrigin = errors.New("the replicas of one installation must have the same origin")

func (i *Installation) checkOrigin(rec record) error {
	if i.cfg.Origin == "" || rec.Origin == "" || rec.Origin == i.cfg.Origin {
		return nil
	}
	return fmt.Errorf("%w: the store belongs to the installation %s with the origin %s, and this server has the origin %s; set origin: %s, or name another store",
		ErrOrigin, rec.ID, rec.Origin, i.cfg.Origin, rec.Origin)
}

// recordOrigin adds the origin to the record of an installation that one process alone has used until now.
func (i *Installation) recordOrigin(ctx context.Context, was record) error {
	if i.cfg.Origin == "" || was.Origin != "" {
		return nil
	}
	_, err := i.cfg.Store.Update(ctx, func(tx store.Tx) error {
		rec, err := records.Get(tx, recordKey)
		if err != nil || rec.Origin == i.cfg.Origin {
			return err
		}
		if err := i.checkOrigin(rec); err != nil {
			return err
		}
		rec.Origin = i.cfg.Origin
		return records.Put(tx, recordKey, rec)
	})
	return err
}

// ID is the id of the installation, the same at every replica.
func (i *Installation) ID() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.id
}

// Unfinished reports whether a change of the master key has begun and has not ended.
func (i *Installation) Unfinished() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.run != ""
}

// Keys are the store keys.
func (i *Installation) Keys() *seal.Keyring { return i.keys }
