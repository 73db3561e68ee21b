package midas

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"midas/internal/clock"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/grant"
	"midas/internal/installation"
	"midas/internal/localca"
	"midas/internal/replica"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/token"
	"midas/internal/trace"
)

// openInstallation opens the installation of a store with the master key, or begins it in an empty store. It returns
// an error, and writes nothing, if the key is missing or belongs to another store, if the store belongs to an
// installation with another origin, or if a newer Midas has written it. The keys of a store in memory are
// random and not saved, because the store ends with the process.
func openInstallation(ctx context.Context, cfg Config, at local, st *opened) (*installation.Installation, error) {
	known := ""
	if st.shared() { // a folder with a store of its own belongs to whatever is in that
		var err error
		if known, err = at.dir.Installation(); err != nil {
			return nil, err
		}
	}
	found, err := findInstallation(ctx, cfg, at, st, known)
	if errors.Is(err, installation.ErrOther) {
		return nil, otherInstallation(err, at.dir)
	}
	if err == nil && st.shared() && known != found.ID() {
		err = at.dir.WriteInstallation(found.ID())
	}
	return found, err
}

// belongs returns an error if the data folder belongs to another installation than the store. Commands that do not
// open the installation call it before they read or write.
func (o *opened) belongs(ctx context.Context, dir *datadir.Dir) error {
	if !o.shared() {
		return nil
	}
	known, err := dir.Installation()
	if err != nil {
		return err
	}
	if err := installation.Belongs(ctx, o, known); err != nil {
		return otherInstallation(err, dir)
	}
	return nil
}

func otherInstallation(err error, dir *datadir.Dir) error {
	if !errors.Is(err, installation.ErrOther) {
		return err
	}
	return fmt.Errorf("%w If not, use another folder with --data, or remove %s", err, dir.Path(datadir.InstallationFile))
}

// findInstallation is openInstallation for a data folder that belongs to a known installation, or to none.
func findInstallation(ctx context.Context, cfg Config, at local, st *opened, known string) (*installation.Installation, error) {
	if st.kind.volatile {
		master, err := datadir.NewMaster()
		if err != nil {
			return nil, err
		}
		if err := st.claim(ctx, cfg.Store); err != nil {
			return nil, err
		}
		return installation.Open(ctx, cfg.installation(st, master, ""))
	}
	master, missing := cfg.master(ctx)
	if missing != nil && !errors.Is(missing, datadir.ErrNoMaster) {
		return nil, missing
	}
	config := cfg.installation(st, master, at.origin)
	config.Known = known
	config.Reread = func(ctx context.Context) (seal.MasterKey, error) { return cfg.master(ctx) }
	secrets, err := installation.Check(ctx, config)
	switch {
	case wrongMaster(err) && missing != nil:
		return nil, fmt.Errorf("%w, but the store %s holds secrets that are sealed with it: %s", missing, storeName(cfg.Store), restore(st))
	case wrongMaster(err):
		return nil, fmt.Errorf("%s is not the one with which the secrets in the store %s are sealed: %s", cfg.masterName(), storeName(cfg.Store), restore(st))
	case err != nil:
		return nil, err
	case secrets && missing != nil:
		return nil, missing // without a key Check cannot have opened the sealed values
	}
	if !at.dump {
		if err := st.claim(ctx, cfg.Store); err != nil {
			return nil, err
		}
	}
	if missing == nil {
		return installation.Open(ctx, config)
	}
	return beginWithNewMaster(ctx, cfg, at, config)
}

// local is what a server or a command has on its own machine.
type local struct {
	dir     *datadir.Dir
	origin  string
	dump    bool   // the store is only opened for a dump, which the store of a newer Midas allows too
	address string // HOST:PORT of this server, as this machine reaches it
	tracer  *trace.Tracer
	clock   *clock.Clock // of the services
}

// beginWithNewMaster makes the first master key of a store. If another replica has begun the installation at the
// same time, the key is of no use and is removed.
func beginWithNewMaster(ctx context.Context, cfg Config, at local, config installation.Config) (*installation.Installation, error) {
	master, err := at.dir.MakeMaster()
	if err != nil {
		return nil, err
	}
	config.Master = master
	opened, err := installation.Open(ctx, config)
	if wrongMaster(err) {
		return nil, errors.Join(fmt.Errorf("another replica has begun the installation in the store %s at the same time: copy its master.key and name it with --master-key", storeName(cfg.Store)), at.dir.RemoveMaster())
	}
	return opened, err
}

// restore tells operators what to do about a wrong master key.
func restore(st *opened) string {
	if st.shared() {
		return "if it is the store of another installation, name another one; if it is not, copy the master key of a replica that runs and name it with --master-key, or " + datadir.Restore
	}
	return datadir.Restore
}

// wrongMaster reports whether an error means that the secrets are sealed with another key.
func wrongMaster(err error) bool {
	return errors.Is(err, token.ErrMaster) || errors.Is(err, installation.ErrMaster)
}

// master reads the master key. The error is datadir.ErrNoMaster if the configuration names none and the data
// folder has none.
func (c Config) master(ctx context.Context) (seal.MasterKey, error) {
	if c.MasterKey.explicit() {
		return c.MasterKey.read(ctx)
	}
	return datadir.ReadMaster(c.Data)
}

// masterName describes where the master key is.
func (c Config) masterName() string {
	if c.MasterKey.explicit() {
		return c.MasterKey.name()
	}
	return filepath.Join(c.Data, datadir.MasterFile)
}

// installation is the configuration of the installation in a store.
func (c Config) installation(st *opened, master seal.MasterKey, origin string) installation.Config {
	if !st.shared() {
		origin = "" // one process at a time uses the store, so its origin is the only one
	}
	return installation.Config{
		Store: st, Master: master, Origin: origin,
		Sealed: func(tx store.Tx, master seal.MasterKey) (bool, error) { return token.CheckMaster(tx, master) },
	}
}

// authorities is the storage of the certificate authorities: the store, or files if the store is in memory, so that
// clients trust the next start too.
func (o *opened) authorities(of *installation.Installation) func(name, folder string) (localca.Storage, error) {
	if o.kind.volatile {
		return localca.InFiles
	}
	return of.Authority
}

// KeysReset says what ResetKeys has done.
type KeysReset struct {
	KeyID    string // of the new signing key
	Grants   int    // codes and refresh tokens that were removed
	UserData int    // machines whose user data were removed

	// Authorities says that the certificate authorities were removed, because the old master key is lost. The next
	// start makes new ones: clients must get the new ca.pem, and hosts must be enrolled again.
	Authorities bool
}

// ResetKeys replaces the master key and the signing keys of a store that no server is using. It is for a
// master key that is lost or that others have seen. All tokens become invalid, and all values that were
// sealed with the old master key are removed: refresh tokens, codes, and the user data of machines. After
// an interruption it can be called again. It refuses a store that other servers use, because their requests would fail one
// after the other: with force it does not look for them, and they end by themselves within seconds.
func ResetKeys(ctx context.Context, cfg Config, force bool) (out KeysReset, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(engines()); err != nil {
		return out, fmt.Errorf("configuration: %w", err)
	}
	if kind, _, _ := findEngine(cfg.Store, engines()); kind.volatile { // cfg.check has returned its error
		return out, fmt.Errorf("with --store %s there is nothing to reset: each start makes new keys", storeName(cfg.Store))
	}
	if err := exists(cfg.Data); err != nil {
		return out, err
	}
	if _, err := control.Dial(ctx, datadir.Socket(cfg.Data)); err == nil {
		return out, errors.New("a server is running on this data folder: stop it before its keys are reset")
	}
	err = cfg.withStore(ctx, func(dir *datadir.Dir, st *opened) error {
		if err := st.belongs(ctx, dir); err != nil {
			return err
		}
		if err := st.claim(ctx, cfg.Store); err != nil {
			return err
		}
		if err := refuseReplicas(ctx, st, force); err != nil {
			return err
		}
		out, err = resetKeys(ctx, cfg, dir, st)
		return err
	})
	return out, err
}

// refuseReplicas returns an error if other servers use a store.
func refuseReplicas(ctx context.Context, st *opened, force bool) error {
	if force || !st.shared() {
		return nil
	}
	running, err := replica.Running(ctx, st)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return fmt.Errorf("other servers run on this store: %s. Stop them first. The members of an embedded cluster must run for it: then use --force, which makes the others end by themselves", strings.Join(running, ", "))
	}
	return nil
}

// resetKeys changes the store in one transaction, which also has the new master key: before it the old master key is
// valid and after it the new one. If the process ends before the new key has its name, another reset finds it.
func resetKeys(ctx context.Context, cfg Config, dir *datadir.Dir, st *opened) (out KeysReset, err error) {
	if out.Grants, err = grant.Reset(ctx, st); err != nil {
		return out, err
	}
	resources := resource.New(resource.Config{Store: st})
	if out.UserData, err = resources.ForgetUserData(ctx); err != nil {
		return out, err
	}
	keep := cfg.masterFile(dir)
	old := keep.known(ctx) // before next, which makes a new one
	master, err := keep.next(ctx)
	if err != nil {
		return out, err
	}
	fresh, err := installation.NewReset(master, old)
	if err != nil {
		return out, err
	}
	kid, renew, err := token.NewReset(cfg.keys(st, fresh.Keys(), cfg.logger(), time.Now))
	if err != nil {
		return out, err
	}
	_, err = st.Update(ctx, func(tx store.Tx) error {
		if out.Authorities, err = fresh.Apply(tx); err != nil {
			return err
		}
		return renew(tx)
	})
	if err != nil {
		return out, fmt.Errorf("reset the keys: %w", err)
	}
	out.KeyID = kid
	return out, keep.commit()
}
