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

// Options configure an engine. The zero value is suitable for production.
type Options struct {
	// CacheBytes limits Pebble's cache of table blocks, which grows with use. 0 means 8 MiB, in addition
	// to the memory that write tables do not use. With a million identities 64 MiB were no faster, neither
	// for random Gets nor for creates, and took 150 MB more memory, because more cached blocks also make
	// the garbage collector's heap larger.
	CacheBytes int64
	// MemTableBytes limits each of the few tables that collect writes in memory; they begin small and
	// grow under load. 0 means 16 MiB. Writing is twice as fast with 16 MiB as with 4 MiB.
	MemTableBytes int64
	// OpenFiles limits the tables that are open at the same time; each needs a file descriptor. 0 means
	// 500.
	OpenFiles int
	// Log receives the errors of Pebble. nil means that they are not logged.
	Log *slog.Logger
}

// formatVersion is the version of the layout of keys and values. Raise it if an older midas could not read, or
// would damage, the data that this one writes.
const formatVersion = 1

// databaseFormat is Pebble's own format. It is a fixed version and not the newest one, so that an update of
// Pebble does not make the store unreadable for the previous midas.
const databaseFormat = pdb.FormatValueSeparation

var (
	headKey   = []byte{metaPrefix, 'h', 'e', 'a', 'd'}
	formatKey = []byte{metaPrefix, 'f', 'o', 'r', 'm', 'a', 't'}
)

// Open opens the store in a folder, and creates it if it does not exist. Only one process can have it open.
// All its errors name the folder.
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
		_ = lock.Close() // the first error is returned
		return nil, err
	}
	e.lock = lock
	return e, nil
}

// OpenMemory opens an empty store in memory. Its data is lost when it is closed.
func OpenMemory(o Options) (*Engine, error) {
	o.MemTableBytes = cmp.Or(o.MemTableBytes, 64<<20) // a flush would only copy data from memory to memory
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

// checkFolder refuses a folder that has files but that Pebble would treat as empty: Pebble would begin a new
// store there and remove the files of the old one.
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

// locked is a file system whose folder the engine has already locked. The engine's generations share it.
type locked struct{ vfs.FS }

// Lock implements vfs.FS.
func (locked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// open makes the engine of a locked folder, or of a store in memory.
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
		opts.DisableWAL = true // a store in memory does not survive a crash
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

// openDatabase opens the database. It returns a panic of Pebble as an error, because a damaged file is not a
// bug of this program. Pebble would retry forever to flush the writes that it has read from its log; if a
// flush fails, openDatabase returns the error, and the goroutine stays blocked in the fence.
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

// errNewer means that the store is not damaged, but that this midas cannot read it.
var errNewer = errors.New("written by a newer midas, use that version")

// explain returns an error of opening a store with its likely cause and the remedy.
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
		return 0, fmt.Errorf("the format version %q is invalid", value)
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
		// Pebble counts its write tables against the size of the cache. Two of them are added here,
		// the one that is being filled and the one that is being flushed, so that CacheBytes are left
		// for blocks.
		CacheSize:          cmp.Or(o.CacheBytes, 8<<20) + 2*table,
		MemTableSize:       uint64(table),
		MaxOpenFiles:       cmp.Or(o.OpenFiles, 500),
		FormatMajorVersion: databaseFormat,
		Logger:             logger{log: o.Log},
		// Commits are slowed down before they reach Pebble, see pressure.
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
	}
	opts.EventListener = &pdb.EventListener{
		// Pebble's default is to end the process. Instead only the reads of the damaged block return
		// an error, and the rest of the store can still be read.
		DataCorruption: func(info pdb.DataCorruptionInfo) { opts.Logger.Errorf("%s", info) },
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10) // most Gets of a create are for keys that do not exist
	}
	return opts
}
