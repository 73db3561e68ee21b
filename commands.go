package midas

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"midas/internal/backup"
	"midas/internal/compute"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/directory"
	"midas/internal/hierarchy"
	"midas/internal/installation"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/retention"
	"midas/internal/rolelint"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/token"
)

// Dump writes the content of a store at one moment as JSON lines, in the order of keys: objects
// with key, revision and value. While a server runs on the data folder, Dump asks that server;
// otherwise it opens the store. It uses only Data and Store of cfg.
func Dump(ctx context.Context, cfg Config, w io.Writer) error {
	return command(ctx, cfg, func(c control.Commands) error { return c.Dump(ctx, w) })
}

// writeDump writes the content of a store, which is copied first if other processes write it.
func writeDump(ctx context.Context, dir *datadir.Dir, st *opened, w io.Writer) error {
	if !st.shared() {
		return store.Dump(ctx, st, w)
	}
	return withScratch(dir, func(scratch store.Engine) error { return backup.Dump(ctx, st, scratch, w) })
}

// LintRoles writes what may be wrong with roles and role assignments as JSON lines: objects with severity (error,
// warning or info), rule, subject and message. It asks the running server, or reads the store as Dump does.
func LintRoles(ctx context.Context, cfg Config, w io.Writer) error {
	return command(ctx, cfg, func(c control.Commands) error { return c.LintRoles(ctx, w) })
}

// RotateKeys makes a new signing key and returns its id, in a running server or, when none runs on
// the data folder, in the store. The new key begins to sign after Keys.PublishBefore.
func RotateKeys(ctx context.Context, cfg Config) (kid string, err error) {
	err = command(ctx, cfg, func(c control.Commands) error {
		kid, err = c.RotateKeys(ctx)
		return err
	})
	return kid, err
}

// ExportKeys writes the public keys that verify tokens, from a running server or, when none runs on the data
// folder, from the store: as a JSON Web Key Set, or in PEM.
func ExportKeys(ctx context.Context, cfg Config, inPEM bool, w io.Writer) error {
	var set bytes.Buffer
	err := command(ctx, cfg, func(c control.Commands) error { return c.ExportKeys(ctx, &set) })
	if err != nil {
		return err
	}
	keys := set.Bytes()
	if inPEM {
		if keys, err = token.PEM(keys); err != nil {
			return err
		}
	}
	if _, err := w.Write(keys); err != nil {
		return fmt.Errorf("write the keys: %w", err)
	}
	return nil
}

// WithdrawKey removes a signing key, in a running server or, when none runs on the data folder, in the
// store. All tokens that the key has signed are refused from now on. When it was the current signing key,
// WithdrawKey makes a new one, which signs at once.
func WithdrawKey(ctx context.Context, cfg Config, kid string) error {
	return command(ctx, cfg, func(c control.Commands) error { return c.WithdrawKey(ctx, kid) })
}

// command runs fn in the running server, or on the store itself.
func command(ctx context.Context, cfg Config, fn func(control.Commands) error) (err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(engines()); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	client, dialErr := control.Dial(ctx, datadir.Socket(cfg.Data))
	if dialErr == nil {
		return fn(client)
	}
	if !errors.Is(dialErr, control.ErrNotRunning) && !errors.Is(dialErr, control.ErrPathTooLong) {
		return dialErr
	}
	if err := exists(cfg.Data); err != nil {
		return err
	}
	err = cfg.withStore(ctx, func(dir *datadir.Dir, st *opened) error {
		for _, removed := range dir.RemovedAccess() {
			cfg.logger().WarnContext(ctx, removed)
		}
		if st.kind.volatile {
			return fmt.Errorf("no server is running on %s, and with --store %s the data exist only while a server runs", cfg.Data, storeName(cfg.Store))
		}
		if err := st.belongs(ctx, dir); err != nil {
			return err
		}
		return fn(&offline{cfg: cfg, dir: dir, store: st})
	})
	if errors.Is(err, datadir.ErrLocked) && errors.Is(dialErr, control.ErrPathTooLong) {
		return fmt.Errorf("a server is running, but cannot be asked: %w", dialErr)
	}
	return err
}

// withStore runs fn with the data folder and the store, which it opens and closes. No server may use the folder.
func (c Config) withStore(ctx context.Context, fn func(*datadir.Dir, *opened) error) (err error) {
	return c.withPrepared(ctx, func(*datadir.Dir) error { return nil }, fn)
}

// withPrepared is withStore with a function that prepares the data folder before the store is opened.
func (c Config) withPrepared(ctx context.Context, prepare func(*datadir.Dir) error, fn func(*datadir.Dir, *opened) error) (err error) {
	dir, err := datadir.Open(c.Data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := prepare(dir); err != nil {
		return err
	}
	st, err := openStore(ctx, c, engines(), engineOptions{log: c.logger(), maxSize: int64(c.Cluster.MaxSize)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return fn(dir, st)
}

// offline runs commands on the store itself.
type offline struct {
	cfg   Config
	dir   *datadir.Dir
	store *opened
}

func (o *offline) Address(context.Context) (string, error) { return "", control.ErrNotRunning }

// Dump writes the content of the store. It first removes the secrets that an older Midas has stored.
func (o *offline) Dump(ctx context.Context, w io.Writer) error {
	if err := o.removeSecrets(ctx); err != nil {
		return err
	}
	return writeDump(ctx, o.dir, o.store, w)
}

// removeSecrets removes the secrets that an older Midas has stored.
func (o *offline) removeSecrets(ctx context.Context) error {
	shared, err := openInstallation(ctx, o.cfg, local{dir: o.dir, dump: true}, o.store)
	if err != nil {
		return err
	}
	userData, err := seal.New(shared.Keys(), userDataPurpose)
	if err != nil {
		return err
	}
	resources := resource.New(resource.Config{Store: o.store, UserData: userData})
	machines := compute.Service{Resources: resources}
	return resources.RemoveSecrets(ctx, machines.AdoptUserData)
}

func (o *offline) LintRoles(ctx context.Context, w io.Writer) error {
	people := &directory.Directory{Store: o.store, Now: time.Now}
	roles := rbac.New(rbac.Config{Store: o.store, Now: time.Now, Principals: people})
	groups := hierarchy.New(hierarchy.Config{Store: o.store, Now: time.Now, Resources: resource.New(resource.Config{Store: o.store})})
	roles.Above = groups.Above
	return lintRoles(ctx, o.store, &rolelint.Service{RBAC: roles, Directory: people}, w)
}

// lintRoles writes the findings in one revision of a store.
func lintRoles(ctx context.Context, st store.Store, lint *rolelint.Service, w io.Writer) error {
	var found []rolelint.Finding
	err := st.View(ctx, func(tx store.Tx) error {
		found = nil // of a revision that the engine has removed in the meantime
		return lint.Run(tx, func(f rolelint.Finding) error {
			found = append(found, f)
			return nil
		})
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(w)
	for _, f := range found {
		if err := out.Encode(f); err != nil {
			return fmt.Errorf("write a finding: %w", err)
		}
	}
	return nil
}

func (o *offline) ImportRoles(ctx context.Context, file io.Reader) ([]byte, error) {
	if err := o.store.claim(ctx, o.cfg.Store); err != nil {
		return nil, err
	}
	return importRoles(ctx, rbac.New(rbac.Config{Store: o.store, Now: time.Now}), file)
}

func (o *offline) ExportKeys(ctx context.Context, w io.Writer) error {
	keys, err := o.keys(ctx)
	if err != nil {
		return err
	}
	return keys.Export(w)
}

func (o *offline) RotateKeys(ctx context.Context) (string, error) {
	keys, err := o.keys(ctx)
	if err != nil {
		return "", err
	}
	return keys.Rotate(ctx)
}

func (o *offline) WithdrawKey(ctx context.Context, kid string) error {
	keys, err := o.keys(ctx)
	if err != nil {
		return err
	}
	return withdraw(ctx, keys, kid)
}

// withdraw removes a signing key. It returns control.ErrNoKey when the key does not exist.
func withdraw(ctx context.Context, keys *token.Keys, kid string) error {
	err := keys.Withdraw(ctx, kid)
	if errors.Is(err, store.ErrNotFound) {
		return control.ErrNoKey
	}
	return err
}

// installation opens what is sealed in the store.
func (o *offline) installation(ctx context.Context) (*installation.Installation, error) {
	return openInstallation(ctx, o.cfg, local{dir: o.dir}, o.store)
}

// keys opens the signing keys of the store for a command that changes them.
func (o *offline) keys(ctx context.Context) (*token.Keys, error) {
	shared, err := o.installation(ctx)
	if err != nil {
		return nil, err
	}
	cfg := o.cfg.keys(o.store, shared.Keys(), o.cfg.logger(), time.Now)
	if cfg.Retention, err = retention.Open(ctx, retention.Config{Store: o.store, Now: time.Now, Log: cfg.Log}); err != nil {
		return nil, err
	}
	return token.OpenKeys(ctx, cfg)
}

// exists refuses a data folder that does not exist, so that a mistyped name does not create one.
func exists(data string) error {
	_, err := os.Stat(data)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no data folder %s: name it with --data", data)
	}
	return err
}
