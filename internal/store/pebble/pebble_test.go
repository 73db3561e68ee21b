package pebble_test

import (
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

// kinds are the configurations of a store in production.
var kinds = []struct {
	name string
	open func(t testing.TB) *pebble.Engine
	wrap func(e *pebble.Engine) store.Engine
}{
	{"memory", memory, bare},
	{"memory cached", memory, cached},
	{"memory with a cache that is too small", memory, hardlyCached},
	{"disk", disk, bare},
	{"disk cached", disk, cached},
}

func memory(t testing.TB) *pebble.Engine {
	t.Helper()
	e, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func disk(t testing.TB) *pebble.Engine {
	t.Helper()
	return folder(t, t.TempDir())
}

func folder(t testing.TB, dir string) *pebble.Engine {
	t.Helper()
	e, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func bare(e *pebble.Engine) store.Engine { return e }

func cached(e *pebble.Engine) store.Engine { return store.Cached(e, 1<<20) }

func hardlyCached(e *pebble.Engine) store.Engine { return store.Cached(e, 5<<10) }

func TestConformance(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			storetest.Run(t, func(t testing.TB) store.Store {
				return storetest.CloseAtEnd(t, store.New(kind.wrap(kind.open(t)), store.Options{}))
			})
		})
	}
}
