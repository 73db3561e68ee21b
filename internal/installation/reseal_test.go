package installation_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"midas/internal/installation"
	"midas/internal/seal"
	"midas/internal/store"
)

// machine is a server's machine: a store, the master key that a start reads, and the folder of the authorities.
type machine struct {
	store  store.Store
	master byte
	folder string
}

var errKilled = errors.New("killed")

// killed is a store whose Updates fail after some, as if the process had been killed: the last one before or after its
// commit.
type killed struct {
	store.Store
	left  int
	after bool
}

func (k *killed) Update(ctx context.Context, fn func(store.Tx) error) (store.Revision, error) {
	k.left--
	if k.left >= 0 {
		return k.Store.Update(ctx, fn)
	}
	if k.left == -1 && k.after {
		if _, err := k.Store.Update(ctx, fn); err != nil {
			return 0, err
		}
	}
	return 0, errKilled
}

// reseal changes the master key of the machine to 2, through a store that may be killed.
func (m *machine) reseal(t *testing.T, st store.Store, storeKey bool) (bool, error) {
	t.Helper()
	i, err := installation.Open(t.Context(), config(st, m.master, true))
	if err != nil {
		return false, err
	}
	nothing := func(context.Context) error { return nil }
	return i.Reseal(t.Context(), installation.Change{
		Master: seal.MasterKey{2}, StoreKey: storeKey, Pause: nothing, Values: nothing,
		Commit: func() error {
			if k, ok := st.(*killed); ok && k.left < 0 {
				return errKilled
			}
			m.master = 2
			return nil
		},
	})
}

// TestResealMayBeKilledAnywhere ends a change of the master key at each transaction. Each time the next start works with
// the key that it reads, and the next Reseal finishes the change.
func TestResealMayBeKilledAnywhere(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		for _, after := range []bool{false, true} {
			for n := 0; ; n++ {
				m := &machine{store: newStore(t), master: 1, folder: t.TempDir()}
				i := open(t, config(m.store, m.master, legacy))
				a, err := authority(t, i, m.folder)
				if err != nil {
					t.Fatal(err)
				}
				before, first := string(read(t, a.Local.Path())), i.Keys().Keys()[0]
				_, err = m.reseal(t, &killed{Store: m.store, left: n, after: after}, false)
				if err != nil && !errors.Is(err, errKilled) {
					t.Fatal(err)
				}
				whole := err == nil
				i = open(t, config(m.store, m.master, true)) // the next start
				if a, err = authority(t, i, m.folder); err != nil || string(read(t, a.Local.Path())) != before {
					t.Fatalf("killed at transaction %d: %v", n, err)
				}
				if !whole {
					if _, err := m.reseal(t, m.store, false); err != nil {
						t.Fatalf("killed at transaction %d, and again: %v", n, err)
					}
				}
				m.check(t, before, first, legacy)
				if whole {
					if want := map[bool]int{false: 3, true: 5}[legacy]; n < want {
						t.Errorf("a change has only %d transactions", n)
					}
					break
				}
			}
		}
	}
}

// check checks a finished change.
func (m *machine) check(t *testing.T, certificate string, first seal.MasterKey, legacy bool) {
	t.Helper()
	if _, err := installation.Open(t.Context(), config(m.store, 1, true)); !errors.Is(err, installation.ErrMaster) {
		t.Errorf("the old master key: %v", err)
	}
	i := open(t, config(m.store, 2, true))
	keys := i.Keys().Keys()
	if i.Unfinished() || len(keys) != 1 || (keys[0] != first) != legacy {
		t.Errorf("unfinished %v, %d keys, replaced %v", i.Unfinished(), len(keys), keys[0] != first)
	}
	a, err := authority(t, i, m.folder)
	if err != nil || string(read(t, a.Local.Path())) != certificate {
		t.Errorf("the authority after the change: %v", err)
	}
}

func TestReplicaThatRunsFollowsAChangeOfTheStoreKey(t *testing.T) {
	st := newStore(t)
	one, two := open(t, config(st, 1, false)), open(t, config(st, 1, false))
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- two.Follow(ctx, discard()) }()
	pauses := 0
	sealer, err := seal.New(two.Keys(), "x")
	if err != nil {
		t.Fatal(err)
	}
	old := sealer.Seal("c", []byte("hello"))
	storeKey, err := one.Reseal(t.Context(), installation.Change{
		Master: seal.MasterKey{2}, StoreKey: true, Values: func(context.Context) error { return nil }, Commit: func() error { return nil },
		Pause: func(context.Context) error {
			pauses++
			for len(two.Keys().Keys()) != 2 || pauses == 2 && two.Keys().Keys()[0] != one.Keys().Keys()[0] {
				time.Sleep(time.Millisecond)
			}
			if plain, err := sealer.Open("c", old); err != nil || string(plain) != "hello" {
				t.Errorf("an old value during the change: %v", err)
			}
			return nil
		},
	})
	if err != nil || !storeKey || pauses != 2 {
		t.Fatalf("%v, %v, %d pauses", storeKey, err, pauses)
	}
	for len(two.Keys().Keys()) != 1 {
		time.Sleep(time.Millisecond)
	}
	if two.Keys().Keys()[0] != one.Keys().Keys()[0] {
		t.Error("the replicas have different keys")
	}
	if _, err := sealer.Open("c", old); !errors.Is(err, seal.ErrSealed) {
		t.Errorf("an old value after the change: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestReplicaEndsWhenItsKeysWereReplaced: it must not go on with signing keys that a reset has withdrawn.
func TestReplicaEndsWhenItsKeysWereReplaced(t *testing.T) {
	st := newStore(t)
	two := open(t, config(st, 1, false))
	ended := make(chan error)
	go func() { ended <- two.Follow(t.Context(), discard()) }()
	reset, err := installation.NewReset(seal.MasterKey{2}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = st.Update(t.Context(), func(tx store.Tx) error {
		_, err := reset.Apply(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, installation.ErrMaster) {
		t.Errorf("the replica goes on: %v", err)
	}
}

func TestStoreOfAnotherInstallationIsRefused(t *testing.T) {
	one, two, empty := newStore(t), newStore(t), newStore(t)
	id := open(t, config(one, 1, false)).ID()
	open(t, config(two, 1, false))
	for name, st := range map[string]store.Store{"another": two, "empty": empty} {
		cfg := config(st, 1, false)
		cfg.Known = id
		before := dump(t, st)
		if _, err := installation.Check(t.Context(), cfg); !errors.Is(err, installation.ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := installation.Open(t.Context(), cfg); !errors.Is(err, installation.ErrOther) || dump(t, st) != before {
			t.Errorf("%s: %v, or the store was changed", name, err)
		}
	}
	cfg := config(one, 1, false)
	cfg.Known = id
	open(t, cfg)
}

// TestSecondChangeIsFollowedWithTheMasterKeyReadAgain: a replica that started before the first change has the master key
// of that time in memory.
func TestSecondChangeIsFollowedWithTheMasterKeyReadAgain(t *testing.T) {
	st := newStore(t)
	one := open(t, config(st, 1, false))
	cfg, master := config(st, 1, false), byte(1)
	cfg.Reread = func(context.Context) (seal.MasterKey, error) { return seal.MasterKey{master}, nil }
	two := open(t, cfg)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	nothing := func(context.Context) error { return nil }
	for _, next := range []byte{2, 3} {
		_, err := one.Reseal(t.Context(), installation.Change{
			Master: seal.MasterKey{next}, StoreKey: true, Pause: nothing, Values: nothing, Commit: func() error { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		master = next
	}
	go func() { _ = two.Follow(ctx, discard()) }()
	for two.Keys().Keys()[0] != one.Keys().Keys()[0] {
		time.Sleep(time.Millisecond)
	}
}
