package midas

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"midas/internal/bootstrap"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/installation"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/token"
)

// Reseal are the options of ResealKeys. The zero value changes the master key in its file.
type Reseal struct {
	// To is a file for the new master key. If it exists, it must contain the key. It is required if the
	// configuration has the master key from an environment variable or a command, which Midas cannot change.
	To string

	// StoreKey replaces the store key too and seals everything in the store again. Refresh tokens, codes and page
	// tokens that clients have then become invalid. It is always done once for a store of a version that had no
	// store key.
	StoreKey bool
}

// KeysResealed says what ResealKeys has done.
type KeysResealed struct {
	File     string `json:"file"`     // contains the new master key
	StoreKey bool   `json:"storeKey"` // the store key was replaced too
}

// ResealKeys changes the master key, in a running server or, when none runs on the data folder, in the store. All
// tokens stay valid, unless the store key is replaced, and servers on the same store go on. They need the new
// key when they start again. After an interruption it can be called again.
func ResealKeys(ctx context.Context, cfg Config, o Reseal) (out KeysResealed, err error) {
	if o.To != "" {
		if o.To, err = filepath.Abs(o.To); err != nil {
			return out, fmt.Errorf("find %s: %w", o.To, err)
		}
	}
	err = command(ctx, cfg, func(c control.Commands) error {
		done, err := c.ResealKeys(ctx, control.Reseal(o))
		out = KeysResealed(done)
		return err
	})
	return out, err
}

// resealer changes the master key of an open store.
type resealer struct {
	cfg    Config
	dir    *datadir.Dir
	store  *opened
	shared *installation.Installation
	pause  time.Duration // in which every replica adopts a change of the keys
}

func (r resealer) run(ctx context.Context, o control.Reseal) (out control.Resealed, err error) {
	if r.store.kind.volatile {
		return out, fmt.Errorf("with --store %s there is no master key: each start makes new keys", r.cfg.Store)
	}
	file := r.cfg.masterFile(r.dir)
	if o.To != "" {
		file.path, file.to = "", o.To
	}
	if file.to == nextSuffix {
		return out, fmt.Errorf("%s cannot be changed by Midas: name a file for the new master key with --to", r.cfg.MasterKey.name())
	}
	master, err := file.next(ctx)
	if err != nil {
		return out, err
	}
	out.StoreKey, err = r.shared.Reseal(ctx, installation.Change{
		Master: master, StoreKey: o.StoreKey, Values: r.values, Commit: file.commit,
		Pause: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(r.pause):
				return nil
			}
		},
	})
	if out.File = file.path; out.File == "" {
		out.File = file.to
	}
	return out, err
}

// values seals again what is not of the installation.
func (r resealer) values(ctx context.Context) error {
	if err := token.Reseal(ctx, r.store, r.shared.Keys(), time.Now().UTC()); err != nil {
		return err
	}
	userData, err := seal.New(r.shared.Keys(), userDataPurpose)
	if err != nil {
		return err
	}
	if err := resource.New(resource.Config{Store: r.store, UserData: userData}).ResealUserData(ctx); err != nil {
		return err
	}
	credentials, err := seal.New(r.shared.Keys(), administratorPurpose)
	if err != nil {
		return err
	}
	return bootstrap.Reseal(ctx, r.store, credentials)
}

// adoptionTime is how long a change of the keys may take to reach other replicas and requests that have begun before.
const adoptionTime = 3 * time.Second

// ResealKeys changes the master key while the server runs.
func (o online) ResealKeys(ctx context.Context, options control.Reseal) (control.Resealed, error) {
	return resealer{cfg: o.cfg, dir: o.dir, store: o.store, shared: o.installation, pause: adoptionTime}.run(ctx, options)
}

// ResealKeys changes the master key in a store that this process has opened.
func (o *offline) ResealKeys(ctx context.Context, options control.Reseal) (control.Resealed, error) {
	shared, err := o.installation(ctx)
	if err != nil {
		return control.Resealed{}, err
	}
	r := resealer{cfg: o.cfg, dir: o.dir, store: o.store, shared: shared}
	if o.store.shared() {
		r.pause = adoptionTime
	}
	return r.run(ctx, options)
}
