package midas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/seal"
	"midas/internal/serve"
	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/token"
)

// opened is the store of a Config, with what is known about its engine.
type opened struct {
	store.Store
	engine *pebble.Engine
	cache  *store.Cache
	master [32]byte // opens what is sealed in it; set by Server.admit
}

func openStore(cfg Config, files serve.Plan, log *slog.Logger) (*opened, error) {
	var engine *pebble.Engine
	var err error
	if cfg.Store == memoryStore {
		engine, err = pebble.OpenMemory(pebble.Options{Log: log})
	} else {
		engine, err = pebble.Open(strings.TrimPrefix(cfg.Store, pebbleStore), pebble.Options{Log: log, OpenFiles: files.StoreFiles})
	}
	if err != nil {
		return nil, err
	}
	cache := store.Cached(engine, int64(cfg.Cache))
	return &opened{Store: store.New(cache, store.Options{}), engine: engine, cache: cache}, nil
}

// claim refuses a store that a newer Midas has written, before anything is written to it.
func (o *opened) claim(ctx context.Context, name string) error {
	if err := store.Claim(ctx, o, program()); err != nil {
		return fmt.Errorf("open the store %s: %w", name, err)
	}
	return nil
}

// program is the version of this Midas, as the Go tool has written it into the binary.
func program() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}

// read looks whether the engine can be read, past the cache.
func (o *opened) read(ctx context.Context) error {
	snap, err := o.engine.Snapshot(ctx, 1)
	if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	defer snap.Close()
	if _, err := snap.Get(ctx, "m/readyz"); err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read the store: %w", err)
	}
	return nil
}

// refuses says why the store takes no writes, in words that tell nothing about this machine; empty if it
// does.
func (o *opened) refuses() string {
	switch err := o.engine.Failure(); {
	case err == nil:
		return ""
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "no space left on device"
	}
	return "the device fails"
}

// register adds the store's metrics.
func (o *opened) register(reg prometheus.Registerer) error {
	figure := func(kind, help string, get func(store.CacheStats) float64) prometheus.GaugeFunc {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_cache_" + kind, Help: help},
			func() float64 { return get(o.cache.Stats()) })
	}
	count := func(kind, help string, get func(store.CacheStats) uint64) prometheus.CounterFunc {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_cache_" + kind, Help: help},
			func() float64 { return float64(get(o.cache.Stats())) })
	}
	for _, c := range []prometheus.Collector{
		count("hits_total", "Reads that the cache answered.", func(s store.CacheStats) uint64 { return s.Hits }),
		count("misses_total", "Reads that the engine answered.", func(s store.CacheStats) uint64 { return s.Misses }),
		figure("entries", "Entries in the cache.", func(s store.CacheStats) float64 { return float64(s.Entries) }),
		figure("bytes", "Memory that the cache uses, by estimate.", func(s store.CacheStats) float64 { return float64(s.Bytes) }),
		figure("capacity_bytes", "Memory that the cache may use.", func(s store.CacheStats) float64 { return float64(s.Capacity) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_writable", Help: "1 if the store takes writes, 0 while the disk is full or fails."},
			func() float64 {
				if o.engine.Failure() != nil {
					return 0
				}
				return 1
			}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_write_failures_total", Help: "Failed writes after which the store had to be opened again."},
			func() float64 { return float64(o.engine.Failures()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_revision", Help: "The newest durable revision."},
			func() float64 { return float64(o.engine.Head()) }),
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register store metrics: %w", err)
		}
	}
	return nil
}

// keys says how signing keys are kept in a store.
func (c Config) keys(st store.Store, master seal.MasterKey, log *slog.Logger, now clock) token.KeysConfig {
	return token.KeysConfig{
		Store: st, Master: master, Now: now, Log: log,
		RotateEvery: c.Keys.RotateEvery, PublishBefore: c.Keys.PublishBefore, MaxTokenLife: longestToken,
	}
}
