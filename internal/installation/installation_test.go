package installation_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/installation"
	"midas/internal/localca"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

func newStore(t *testing.T) store.Store {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// config is the configuration of a replica; legacy says that an earlier version has sealed secrets in the store.
func config(st store.Store, master byte, legacy bool) installation.Config {
	return installation.Config{
		Store: st, Master: seal.MasterKey{master},
		Sealed: func(store.Tx, seal.MasterKey) (bool, error) { return legacy, nil },
	}
}

func open(t *testing.T, cfg installation.Config) *installation.Installation {
	t.Helper()
	i, err := installation.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// authority opens the authority of a server in a store.
func authority(t *testing.T, i *installation.Installation, folder string) (*localca.Authorities, error) {
	t.Helper()
	a, err := localca.OpenAuthorities(t.Context(), localca.AuthoritiesConfig{
		Folder: folder, Now: time.Now, Names: []string{"one.test"}, AzureNames: []string{"azure.test"}, Log: discard(), Storage: i.Authority,
	})
	return &a, err
}

// overtaken is a store in which another replica writes right after the first read.
type overtaken struct {
	store.Store
	once  sync.Once
	other func()
}

func (o *overtaken) View(ctx context.Context, fn func(store.Tx) error) error {
	err := o.Store.View(ctx, fn)
	o.once.Do(o.other)
	return err
}

// The secrets that another replica has sealed with the key of the installation are not those of an earlier version,
// which the master key would have to open.
func TestReplicaThatIsOvertakenAdoptsTheInstallation(t *testing.T) {
	for name, first := range map[string]func(installation.Config) error{
		"check": func(c installation.Config) error { _, err := installation.Check(t.Context(), c); return err },
		"open":  func(c installation.Config) error { _, err := installation.Open(t.Context(), c); return err },
	} {
		t.Run(name, func(t *testing.T) {
			st := newStore(t)
			c := config(st, 1, false)
			c.Sealed = func(tx store.Tx, _ seal.MasterKey) (bool, error) {
				_, err := tx.Get("k/one")
				if errors.Is(err, store.ErrNotFound) {
					return false, nil
				}
				return true, errors.Join(err, installation.ErrMaster)
			}
			c.Store = &overtaken{Store: st, other: func() {
				open(t, config(st, 1, false))
				if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("k/one", []byte("sealed")); return nil }); err != nil {
					t.Error(err)
				}
			}}
			if err := first(c); err != nil {
				t.Error(err)
			}
			if a, b := open(t, c), open(t, config(st, 1, false)); a.ID() != b.ID() {
				t.Error("the replica has another installation")
			}
		})
	}
}

func TestReplicasThatBeginTogetherAgree(t *testing.T) {
	st := newStore(t)
	var wg sync.WaitGroup
	all := make([]*installation.Installation, 8)
	certificates := make([]string, len(all))
	for n := range all {
		wg.Go(func() {
			i, err := installation.Open(t.Context(), config(st, 1, false))
			if err != nil {
				t.Error(err)
				return
			}
			all[n] = i
			a, err := authority(t, i, t.TempDir())
			if err != nil {
				t.Error(err)
				return
			}
			certificates[n] = string(read(t, a.Local.Path()))
		})
	}
	wg.Wait()
	for n, i := range all {
		if i.ID() != all[0].ID() || i.Keys().Keys()[0] != all[0].Keys().Keys()[0] || certificates[n] != certificates[0] {
			t.Errorf("replica %d has another installation", n)
		}
	}
	if all[0].Keys().Keys()[0] == (seal.MasterKey{1}) {
		t.Error("the store key of a new store is the master key")
	}
}

func TestAnotherMasterKeyIsRefusedAndNothingIsWritten(t *testing.T) {
	st := newStore(t)
	open(t, config(st, 1, false))
	before := dump(t, st)
	if _, err := installation.Check(t.Context(), config(st, 2, false)); !errors.Is(err, installation.ErrMaster) {
		t.Error(err)
	}
	if _, err := installation.Open(t.Context(), config(st, 2, false)); !errors.Is(err, installation.ErrMaster) {
		t.Error(err)
	}
	if dump(t, st) != before {
		t.Error("the store was changed")
	}
}

func TestAnotherOriginIsRefusedAndNothingIsWritten(t *testing.T) {
	st := newStore(t)
	open(t, config(st, 1, false)) // one process alone, as on Pebble
	cfg := config(st, 1, false)
	cfg.Origin = "https://one.test"
	open(t, cfg)
	before := dump(t, st)
	cfg.Origin = "https://two.test"
	if _, err := installation.Open(t.Context(), cfg); !errors.Is(err, installation.ErrOrigin) || !strings.Contains(err.Error(), "https://one.test") {
		t.Error(err)
	}
	if dump(t, st) != before {
		t.Error("the store was changed")
	}
}

// TestTheStoreAloneRevealsNothing looks for the secrets in a copy of the store.
func TestTheStoreAloneRevealsNothing(t *testing.T) {
	st := newStore(t)
	i := open(t, config(st, 1, false))
	folder := t.TempDir()
	if _, err := authority(t, i, folder); err != nil {
		t.Fatal(err)
	}
	all := dump(t, st)
	key := i.Keys().Keys()[0]
	for _, secret := range []string{"PRIVATE KEY", "CERTIFICATE", string(key[:]), string(base64Of(key[:]))} {
		if strings.Contains(all, secret) {
			t.Errorf("the store holds %q", secret)
		}
	}
}

// TestSealedValuesOpenOnlyInTheirRecord exchanges the values of two records, as an attacker who can write the store.
func TestSealedValuesOpenOnlyInTheirRecord(t *testing.T) {
	st := newStore(t)
	i := open(t, config(st, 1, false))
	folder := t.TempDir()
	if _, err := authority(t, i, folder); err != nil {
		t.Fatal(err)
	}
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		hosts, err := tx.Get("m/authority/hosts")
		if err != nil {
			return err
		}
		tx.Put("m/authority/local", hosts.Value)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authority(t, i, folder); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("a moved authority: %v", err)
	}
	// The record of another installation with the same master key does not open after its id was changed.
	other := newStore(t)
	open(t, config(other, 1, false))
	_, err = other.Update(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get("m/installation")
		if err != nil {
			return err
		}
		tx.Put("m/installation", []byte(strings.Replace(string(rec.Value), `"id":"`, `"id":"x`, 1)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := installation.Open(t.Context(), config(other, 1, false)); !errors.Is(err, installation.ErrMaster) {
		t.Errorf("a changed record: %v", err)
	}
}

func TestAuthorityOfAnEarlierVersionIsTakenOverAndItsKeyFileRemoved(t *testing.T) {
	folder := t.TempDir()
	was, err := localca.Open(folder, time.Now, "one.test")
	if err != nil {
		t.Fatal(err)
	}
	before := string(read(t, was.Path()))
	st := newStore(t)
	i := open(t, config(st, 1, true))
	if i.Keys().Keys()[0] != (seal.MasterKey{1}) {
		t.Error("the first store key of an earlier version is not its master key")
	}
	a, err := authority(t, i, folder)
	if err != nil {
		t.Fatal(err)
	}
	if string(read(t, a.Local.Path())) != before {
		t.Error("the certificate was replaced")
	}
	if exists(folder + "/ca-key.pem") {
		t.Error("the key is still in a file")
	}
	b, err := authority(t, i, t.TempDir())
	if err != nil || string(read(t, b.Local.Path())) != before {
		t.Errorf("another replica has another certificate: %v", err)
	}
}

func TestDamagedAuthorityOfAnEarlierVersionIsNotStored(t *testing.T) {
	folder := t.TempDir()
	if _, err := localca.Open(folder, time.Now, "one.test"); err != nil {
		t.Fatal(err)
	}
	write(t, folder+"/ca-key.pem", "rubbish")
	st := newStore(t)
	i := open(t, config(st, 1, true))
	before := dump(t, st)
	if _, err := authority(t, i, folder); err == nil || !strings.Contains(err.Error(), "ca-key.pem holds no private key") {
		t.Error(err)
	}
	if dump(t, st) != before {
		t.Error("the store was changed")
	}
}
