package midas

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/arm"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// engine is a kind of database that Config.Store can name.
type engine struct {
	scheme   string                      // Config.Store begins with it
	location string                      // describes the text after the scheme, for errors; empty if the scheme is the whole name
	volatile bool                        // its data ends with the process
	check    func(location string) error // nil if every location is possible; it opens and writes nothing
	open     func(ctx context.Context, location string, o engineOptions) (store.Engine, error)
}

// engineOptions are the options of every engine.
type engineOptions struct {
	openFiles int // file descriptors that the engine may use
	log       *slog.Logger
	traced    bool  // transactions are spans
	maxSize   int64 // bytes of the database of an embedded cluster; 0 for the default
}

// engines lists the engines of Midas. A new engine needs no change outside of this file and of the files of
// sharedEngines.
func engines() []engine {
	return append([]engine{
		{scheme: "memory:", volatile: true, open: func(_ context.Context, _ string, o engineOptions) (store.Engine, error) {
			return pebble.OpenMemory(pebble.Options{Log: o.log})
		}},
		{scheme: "pebble:", location: "a folder", open: func(_ context.Context, folder string, o engineOptions) (store.Engine, error) {
			return pebble.Open(folder, pebble.Options{Log: o.log, OpenFiles: o.openFiles})
		}},
	}, sharedEngines()...)
}

// The schemes of engines that several replicas can share. Only a binary built with -tags cluster has them.
const (
	etcdScheme   = "etcd://"
	etcdLocation = "HOST:PORT,…/PREFIX"

	postgresLocation = "USER:PASSWORD@HOST,…/DATABASE"
)

// defaultStore is the Config.Store of a data folder.
func defaultStore(data string) string { return "pebble:" + filepath.Join(data, "store") }

// findEngine returns the engine that a Config.Store names, and the location, the text after the scheme.
func findEngine(name string, all []engine) (e engine, location string, err error) {
	var known []string
	word, _, _ := strings.Cut(name, ":")
	meant := ""
	for _, e := range all {
		location, found := strings.CutPrefix(name, e.scheme)
		if found && (location != "") == (e.location != "") {
			if e.check != nil {
				if err := e.check(location); err != nil {
					return engine{}, "", fmt.Errorf("store: %s: %w", storeName(name), err)
				}
			}
			return e, location, nil
		}
		form := strconv.Quote(e.scheme)
		if e.location != "" {
			form += " with " + e.location
		}
		if begin, _, _ := strings.Cut(e.scheme, ":"); arm.SameName(begin, word) {
			meant = form
		}
		if e.scheme != clusterScheme { // --cluster-init and --join name it
			known = append(known, form)
		}
	}
	if meant != "" {
		return engine{}, "", fmt.Errorf("store: %q is not of the form %s", storeName(name), meant)
	}
	return engine{}, "", fmt.Errorf("store: %q is neither %s", storeName(name), strings.Join(known, " nor "))
}

// opened is the open store of a Config, with its engine.
type opened struct {
	store.Store
	kind   engine
	engine store.Engine
	cache  *store.Cache    // nil if the engine is neither embedded nor shared
	feed   *store.Follower // nil if no other process writes

	upgrade *store.Upgrade // after claim; nil if no other process writes
}

// openStore opens the store that cfg names.
func openStore(ctx context.Context, cfg Config, all []engine, o engineOptions) (*opened, error) {
	kind, location, err := findEngine(cfg.Store, all)
	if err != nil {
		return nil, err
	}
	below, err := kind.open(ctx, location, o)
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", storeName(cfg.Store), err)
	}
	st := &opened{kind: kind, engine: below}
	switch below := below.(type) { // a cache must learn of all writes
	case store.Embedded:
		st.cache = store.Cached(below, int64(cfg.Cache))
	case store.Shared:
		st.feed = store.Follow(below, store.FollowOptions{Log: o.log})
		st.cache = store.Cached(st.feed, int64(cfg.Cache))
	}
	if st.cache != nil {
		below = st.cache
	}
	st.Store = store.New(below, store.Options{})
	if o.traced {
		st.Store = store.Traced(st.Store)
	}
	return st, nil
}

// head returns the function that returns the newest revision that Recent shows; nil if no other process writes the
// store, or if nothing is cached, so that Recent always shows the newest one.
func (o *opened) head() func() store.Revision {
	if o.feed == nil {
		return nil
	}
	return o.feed.Head
}

// shared reports whether other processes may use the store at the same time.
func (o *opened) shared() bool {
	_, alone := o.engine.(store.Embedded)
	return !alone
}

// claim returns an error for a store that a newer Midas has written, before anything is written to it.
func (o *opened) claim(ctx context.Context, name string) (err error) {
	if o.shared() {
		o.upgrade, err = store.ClaimShared(ctx, o.Store, Version())
	} else {
		err = store.Claim(ctx, o, Version())
	}
	if err != nil {
		return fmt.Errorf("open the store %s: %w", storeName(name), err)
	}
	return nil
}

// read checks that the engine can be read. It does not use the cache.
func (o *opened) read(ctx context.Context) error {
	if o.feed != nil { // without a current feed this replica issues no tokens
		if err := o.feed.Current(ctx); err != nil {
			return fmt.Errorf("read the store: %w", err)
		}
	}
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

// repairing is an engine that refuses writes while its disk is full or fails, or while its database cannot take
// them, and takes them again by itself. An error of Failure may have a method Public, which returns a text for
// anybody.
type repairing interface {
	Failure() error   // why it refuses writes; nil while it takes them
	Failures() uint64 // how often a write has failed for such a reason
}

// refuses says why the store refuses writes. It is empty while the store takes them. /readyz shows the text
// to anyone, so it contains no paths or other details of this machine.
func (o *opened) refuses() string {
	r, ok := o.engine.(repairing)
	if !ok {
		return ""
	}
	var public interface{ Public() string }
	switch err := r.Failure(); {
	case err == nil:
		return ""
	case errors.As(err, &public):
		return public.Public()
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "no space left on device"
	}
	return "the device fails"
}

// register adds the metrics of the store.
func (o *opened) register(reg prometheus.Registerer) error {
	var all []prometheus.Collector
	if o.cache != nil {
		all = cacheMetrics(o.cache)
	}
	if embedded, ok := o.engine.(store.Embedded); ok {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_revision", Help: "The newest durable revision."},
			func() float64 { return float64(embedded.Head()) }))
	}
	if o.feed != nil {
		all = append(all, feedMetrics(o.feed)...)
	}
	if r, ok := o.engine.(repairing); ok {
		all = append(all, repairMetrics(r)...)
	}
	if own, ok := o.engine.(interface{ Collectors() []prometheus.Collector }); ok {
		all = append(all, own.Collectors()...)
	}
	for _, c := range all {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register store metrics: %w", err)
		}
	}
	return nil
}

func cacheMetrics(cache *store.Cache) []prometheus.Collector {
	gauge := func(kind, help string, get func(store.CacheStats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_cache_" + kind, Help: help},
			func() float64 { return get(cache.Stats()) })
	}
	counter := func(kind, help string, get func(store.CacheStats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_cache_" + kind, Help: help},
			func() float64 { return float64(get(cache.Stats())) })
	}
	return []prometheus.Collector{
		counter("hits_total", "Reads that the cache answered.", func(s store.CacheStats) uint64 { return s.Hits }),
		counter("misses_total", "Reads that the engine answered.", func(s store.CacheStats) uint64 { return s.Misses }),
		gauge("entries", "Entries in the cache.", func(s store.CacheStats) float64 { return float64(s.Entries) }),
		gauge("bytes", "Memory that the cache uses, by estimate.", func(s store.CacheStats) float64 { return float64(s.Bytes) }),
		gauge("capacity_bytes", "Memory that the cache may use.", func(s store.CacheStats) float64 { return float64(s.Capacity) }),
	}
}

func feedMetrics(feed *store.Follower) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_revision", Help: "The newest revision that this replica knows."},
			func() float64 { return float64(feed.Head()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_feed_age_seconds", Help: "How old the knowledge of this replica may be. Above 1 it issues no tokens."},
			func() float64 { return feed.Age().Seconds() }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_feed_reloads_total", Help: "How often the cache was emptied because the change feed failed or was behind."},
			func() float64 { return float64(feed.Reloads()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_probes_total", Help: "Questions to the database for the newest revision."},
			func() float64 { return float64(feed.Probes()) }),
	}
}

func repairMetrics(r repairing) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_writable", Help: "1 if the store takes writes, 0 while the disk is full or fails."},
			func() float64 {
				if r.Failure() != nil {
					return 0
				}
				return 1
			}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_write_failures_total", Help: "Writes that failed because of the disk or the database. Pebble is opened again after each."},
			func() float64 { return float64(r.Failures()) }),
	}
}
