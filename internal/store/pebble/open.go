package pebble

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"

	pdb "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"midas/internal/store"
)

// Options of an engine; the zero value is right.
type Options struct {
	// CacheBytes bounds Pebble's cache of table blocks, which grows with use. 0 means 8 MiB, beside
	// what idle write tables leave. On a million identities 64 MiB were no faster, neither for random
	// Gets nor for creates, and took 150 MB more: blocks of that many bytes are work for the collector.
	CacheBytes int64
	// MemTableBytes bounds each of the few tables that collect writes in memory; they begin small and
	// grow under load. 0 means 16 MiB, with which writing is twice as fast as with 4.
	MemTableBytes int64
	// OpenFiles is how many tables are open at once, each of which is a file descriptor. 0 means 500.
	OpenFiles int
	// Log hears what goes wrong inside Pebble. nil means that nobody does.
	Log *slog.Logger
}

// formatVersion is the layout of keys and values. Raise it when an older midas could not read, or
// would spoil, what this one writes.
const formatVersion = 1

// databaseFormat is Pebble's own format. It is written down here, rather than "newest", so that a
// newer Pebble does not lock out the previous midas by accident.
const databaseFormat = pdb.FormatValueSeparation

var (
	headKey   = []byte{metaPrefix, 'h', 'e', 'a', 'd'}
	formatKey = []byte{metaPrefix, 'f', 'o', 'r', 'm', 'a', 't'}
)

// Open opens the store in a folder, and makes it when it does not exist. Only one process can have it
// open. All its errors name the folder.
func Open(dir string, o Options) (*Engine, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the store: %w", err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	e, err := openLocked(dir, o)
	if err != nil {
		_ = lock.Close() // the first error says more
		return nil, err
	}
	e.lock = lock
	return e, nil
}

// OpenMemory opens an empty store that is gone when it is closed.
func OpenMemory(o Options) (*Engine, error) {
	o.MemTableBytes = cmp.Or(o.MemTableBytes, 64<<20) // a flush would only move things from memory to memory
	return open("memory", vfs.NewMem(), o)
}

func lockFolder(dir string) (io.Closer, error) {
	lock, err := pdb.LockDirectory(dir, vfs.Default)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return nil, fmt.Errorf("another midas process uses the store in %s", dir)
	case err != nil && strings.Contains(err.Error(), "lock held by current process"):
		return nil, fmt.Errorf("this midas process already uses the store in %s", dir)
	case err != nil:
		return nil, fmt.Errorf("lock the store in %s: %w", dir, err)
	}
	return lock, nil
}

func openLocked(dir string, o Options) (*Engine, error) {
	if err := checkFolder(dir); err != nil {
		return nil, err
	}
	removeProbe(dir)
	return open(dir, vfs.Default, o)
}

// checkFolder refuses what Pebble would take for an empty folder although it is not: Pebble would begin
// a new store there and remove the files of the old one.
func checkFolder(dir string) error {
	desc, err := pdb.Peek(dir, vfs.Default)
	if err != nil {
		return explain(dir, err)
	}
	if desc.Exists {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	for _, entry := range entries {
		beginning, _, _ := strings.Cut(entry.Name(), "-")
		beginning, _, _ = strings.Cut(beginning, ".")
		switch beginning {
		case "LOCK", "marker", "MANIFEST", "OPTIONS": // a first start that was interrupted
		default:
			return fmt.Errorf("the folder %s is neither empty nor a whole midas store (it has %s)", dir, entry.Name())
		}
	}
	return nil
}

// memoryName is the name of a store in memory.
const memoryName = "memory"

// locked is a file system of which the folder is locked by the engine, whose generations share it.
type locked struct{ vfs.FS }

// Lock implements vfs.FS.
func (locked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// open makes the engine of a folder that is locked, or of memory.
func open(name string, base vfs.FS, o Options) (*Engine, error) {
	e := &Engine{
		name: name, sync: name != memoryName, base: locked{base}, options: o,
		broken: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{}),
	}
	g, head, err := e.openGeneration()
	if err != nil {
		return nil, err
	}
	e.newest, e.feed = head, newFeed(head)
	e.gen.Store(g)
	go e.watchOver()
	go e.gauge()
	return e, nil
}

// openGeneration opens the database for writing.
func (e *Engine) openGeneration() (*generation, store.Revision, error) {
	opts := databaseOptions(e.options)
	opts.WALMinSyncInterval = e.syncInterval
	scheduler, p := newScheduler(), new(pressure)
	opts.Experimental.CompactionScheduler = scheduler
	p.listen(opts.EventListener, scheduler)
	var f *fence
	if e.sync {
		f = newFence(e.base, e.broke)
		opts.FS = f
	} else {
		opts.FS = e.base
		opts.DisableWAL = true // nothing survives a crash anyway
	}
	opts.Logger = logger{e.options.Log, f}
	db, err := openDatabase(e.name, opts, f)
	if err != nil {
		scheduler.abandon()
		return nil, 0, explain(e.name, err)
	}
	head, err := checkFormat(db, &pdb.WriteOptions{Sync: e.sync})
	if err == nil && f != nil {
		f.live.Store(true)
		err = f.failure()
	}
	if err != nil {
		if f != nil {
			f.fail(err)
			f.release()
		}
		_ = db.Close() // the first error says more
		return nil, 0, explain(e.name, err)
	}
	g := newGeneration(db, f, head)
	g.pressure, g.memTable = p, opts.MemTableSize
	return g, head, nil
}

// openDatabase opens the database. It turns a Pebble panic into an error, since a damaged file must not
// look like a bug. Pebble would try for ever to flush what it has read from its log: when that fails, it
// is left where it stands in the fence.
func openDatabase(name string, opts *pdb.Options, f *fence) (*pdb.DB, error) {
	type result struct {
		db  *pdb.DB
		err error
	}
	opened := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("%v", p)}
			}
			opened <- r
		}()
		r.db, r.err = pdb.Open(dirOf(name, opts), opts)
	}()
	var failed chan struct{}
	if f != nil {
		failed = f.failed
	}
	select {
	case r := <-opened:
		return r.db, r.err
	case <-failed:
		return nil, f.failure()
	}
}

func dirOf(name string, opts *pdb.Options) string {
	if opts.DisableWAL {
		return ""
	}
	return name
}

// errNewer marks a store that is fine but not for this midas.
var errNewer = errors.New("written by a newer midas, use that one")

// explain words an error of opening a store.
func explain(name string, err error) error {
	switch {
	case errors.Is(err, errNewer):
		return fmt.Errorf("the store in %s was %w", name, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("there is no room for the store in %s: free some space and start again: %w", name, err)
	case strings.Contains(err.Error(), "unknown format major version"):
		return fmt.Errorf("the store in %s was %w: %w", name, errNewer, err)
	}
	return fmt.Errorf("the store in %s is damaged or unreadable: %w", name, err)
}

// checkFormat returns the newest revision of a store that this midas can use.
func checkFormat(db *pdb.DB, durable *pdb.WriteOptions) (store.Revision, error) {
	head, err := readHead(db)
	if err != nil {
		return 0, err
	}
	value, closer, err := db.Get(formatKey)
	if errors.Is(err, pdb.ErrNotFound) {
		return 0, begin(db, durable)
	}
	if err != nil {
		return 0, fmt.Errorf("read the format version: %w", err)
	}
	defer closer.Close()
	version, err := strconv.Atoi(string(value))
	if err != nil || version < 1 {
		return 0, fmt.Errorf("the format version %q is none", value)
	}
	if version > formatVersion {
		return 0, fmt.Errorf("%w (its format is %d, this midas knows up to %d)", errNewer, version, formatVersion)
	}
	return head, nil
}

// begin writes the format version into a store that must be empty.
func begin(db *pdb.DB, durable *pdb.WriteOptions) error {
	it, err := db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("look for keys: %w", err)
	}
	empty := !it.First()
	if err := it.Close(); err != nil {
		return fmt.Errorf("look for keys: %w", err)
	}
	if !empty {
		return errors.New("it has keys but no format version")
	}
	if err := db.Set(formatKey, []byte(strconv.Itoa(formatVersion)), durable); err != nil {
		return fmt.Errorf("write the format version: %w", err)
	}
	return nil
}

func databaseOptions(o Options) *pdb.Options {
	table := cmp.Or(o.MemTableBytes, 16<<20)
	opts := &pdb.Options{
		// Pebble takes the room for its write tables from the cache's, and without this nothing
		// would be left for blocks: one table is being filled, another is being flushed.
		CacheSize:          cmp.Or(o.CacheBytes, 8<<20) + 2*table,
		MemTableSize:       uint64(table),
		MaxOpenFiles:       cmp.Or(o.OpenFiles, 500),
		FormatMajorVersion: databaseFormat,
		Logger:             logger{log: o.Log},
		// Commits are slowed down before they come to Pebble, see pressure.
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
	}
	opts.EventListener = &pdb.EventListener{
		// The default is to end the process. Whoever reads the damaged block gets an error, which
		// says more, and the rest of the store can still be read.
		DataCorruption: func(info pdb.DataCorruptionInfo) { opts.Logger.Errorf("%s", info) },
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most Gets of a create ask for what is absent
	}
	return opts
}
