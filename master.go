package midas

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/grant"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/token"
)

// openMaster reads the master key of a store, or makes the first one for a store without sealed values.
// It returns an error, and writes nothing, if the key is missing or belongs to another store. The key of a
// store in memory is random and not saved, because the store ends with the process.
func openMaster(ctx context.Context, cfg Config, dir *datadir.Dir, st *opened) (key [32]byte, err error) {
	if st.kind.volatile {
		if _, err := rand.Read(key[:]); err != nil {
			return key, fmt.Errorf("make master key: %w", err)
		}
		return key, nil
	}
	key, missing := dir.Master()
	if missing != nil && !errors.Is(missing, datadir.ErrNoMaster) {
		return key, missing
	}
	sealed, err := token.CheckMaster(ctx, st, seal.MasterKey(key))
	switch {
	case errors.Is(err, token.ErrMaster) && missing != nil:
		return key, fmt.Errorf("%w, but the store %s holds secrets that are sealed with it: %s", missing, cfg.Store, datadir.Restore)
	case errors.Is(err, token.ErrMaster):
		return key, fmt.Errorf("%s is not the one with which the secrets in the store %s are sealed: %s", dir.Path(datadir.MasterFile), cfg.Store, datadir.Restore)
	case err != nil:
		return key, err
	case missing == nil:
		return key, nil
	case sealed:
		return key, missing // without a key CheckMaster cannot have opened the sealed values
	}
	return dir.MakeMaster()
}

// KeysReset says what ResetKeys has done.
type KeysReset struct {
	KeyID    string // of the new signing key
	Grants   int    // codes and refresh tokens that were removed
	UserData int    // machines whose user data were removed
}

// ResetKeys replaces the master key and the signing keys of a store that no server is using. It is for a
// master key that is lost or that others have seen. All tokens become invalid, and all values that were
// sealed with the old master key are removed: refresh tokens, codes, and the user data of machines. After
// an interruption it can be called again.
func ResetKeys(ctx context.Context, cfg Config) (out KeysReset, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(engines()); err != nil {
		return out, fmt.Errorf("configuration: %w", err)
	}
	if kind, _, _ := findEngine(cfg.Store, engines()); kind.volatile { // cfg.check has returned its error
		return out, fmt.Errorf("with --store %s there is nothing to reset: each start makes new keys", cfg.Store)
	}
	if err := exists(cfg.Data); err != nil {
		return out, err
	}
	if _, err := control.Dial(ctx, datadir.Socket(cfg.Data)); err == nil {
		return out, errors.New("a server is running on this data folder: stop it before its keys are reset")
	}
	dir, err := datadir.Open(cfg.Data)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	st, err := openStore(cfg, engines(), engineOptions{log: cfg.logger()})
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.claim(ctx, cfg.Store); err != nil {
		return out, err
	}
	return resetKeys(ctx, cfg, dir, st)
}

func resetKeys(ctx context.Context, cfg Config, dir *datadir.Dir, st *opened) (out KeysReset, err error) {
	if out.Grants, err = grant.Reset(ctx, st); err != nil {
		return out, err
	}
	resources := resource.New(resource.Config{Store: st})
	if out.UserData, err = resources.ForgetUserData(ctx); err != nil {
		return out, err
	}
	// Between the next two steps the keys in the store do not belong to the new master key. After an
	// interruption there the next start reports it, and another reset repairs it.
	master, err := dir.ReplaceMaster()
	if err != nil {
		return out, err
	}
	out.KeyID, err = token.Reset(ctx, cfg.keys(st, master, cfg.logger(), time.Now))
	return out, err
}
