package pebble

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system of one opening of the database. It passes everything on until a write fails
// that Pebble cannot go on without. From then on nothing of this opening reaches the disk, as if the
// process had crashed at that moment, and another opening of the same folder can take over while this
// one still answers reads.
//
// Pebble panics, in part with its locks in a state that cannot be recovered from, when its log or its
// manifest cannot be written. So it is not told: writes to its log seem to work (Commit asks failure
// before it acknowledges anything), and whatever flushes, compacts or edits the manifest stands still
// in the file system until release.
type fence struct {
	vfs.FS
	broke func() // is called once, when the first write fails; it must not block

	live     atomic.Bool // after Open, which can be told that its log fails
	cause    atomic.Pointer[error]
	failed   chan struct{} // closed with the first failure
	once     sync.Once
	released chan struct{}
}

const retiredPause = 20 * time.Millisecond

// errRetired is what the files of an opening give that was taken over.
var errRetired = errors.New("this opening of the store was replaced after a failed write")

func newFence(fs vfs.FS, broke func()) *fence {
	return &fence{FS: fs, broke: broke, failed: make(chan struct{}), released: make(chan struct{})}
}

// failure is the first failed write, or nil.
func (f *fence) failure() error {
	if cause := f.cause.Load(); cause != nil {
		return *cause
	}
	return nil
}

func (f *fence) fail(err error) {
	if f.cause.CompareAndSwap(nil, &err) {
		close(f.failed)
		f.broke()
	}
}

// release lets go, with errors, of what stands still, so that the database can be closed.
func (f *fence) release() { f.once.Do(func() { close(f.released) }) }

// role is what a file is for.
type role uint8

const (
	other   role = iota // compactions and what Pebble can do without: it gets the error, and tries again
	logFile             // the write-ahead log
	vital               // tables of flushes, the manifest and its marker
)

func roleOf(name string, category vfs.DiskWriteCategory) role {
	base := filepath.Base(name)
	switch {
	case strings.HasSuffix(base, ".log"):
		return logFile
	case category == "pebble-memtable-flush", strings.HasPrefix(base, "MANIFEST"), strings.HasPrefix(base, "marker."):
		return vital
	}
	return other
}

// do carries out a write. of says what it is for.
func (f *fence) do(of role, write func() error) error {
	if f.failure() == nil {
		err := write()
		if err == nil || of == other || of == logFile && !f.live.Load() {
			return err
		}
		f.fail(err)
	}
	if of == logFile {
		return nil
	}
	<-f.released
	time.Sleep(retiredPause) // Pebble tries again at once, until it is closed
	return errRetired
}

// Create implements vfs.FS.
func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(roleOf(name, category), func() (vfs.File, error) { return f.FS.Create(name, category) })
}

// ReuseForWrite implements vfs.FS.
func (f *fence) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(roleOf(newname, category), func() (vfs.File, error) { return f.FS.ReuseForWrite(oldname, newname, category) })
}

// OpenReadWrite implements vfs.FS.
func (f *fence) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(roleOf(name, category), func() (vfs.File, error) { return f.FS.OpenReadWrite(name, category, opts...) })
}

func (f *fence) open(of role, open func() (vfs.File, error)) (file vfs.File, err error) {
	err = f.do(of, func() error { file, err = open(); return err })
	if err != nil {
		return nil, err
	}
	if file == nil { // of the log, after a failure
		if file, err = vfs.NewMem().Create("log", vfs.WriteCategoryUnspecified); err != nil {
			return nil, err
		}
	}
	return &fencedFile{File: file, fence: f, role: of}, nil
}

// OpenDir implements vfs.FS. Folders are only synced.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fencedFile{File: file, fence: f, role: logFile}, nil
}

// Remove implements vfs.FS. After a failure the files belong to another opening.
func (f *fence) Remove(name string) error { return f.tidy(func() error { return f.FS.Remove(name) }) }

// RemoveAll implements vfs.FS.
func (f *fence) RemoveAll(name string) error {
	return f.tidy(func() error { return f.FS.RemoveAll(name) })
}

func (f *fence) tidy(remove func() error) error {
	if f.failure() != nil {
		return nil
	}
	return remove()
}

// Rename implements vfs.FS.
func (f *fence) Rename(oldname, newname string) error {
	return f.do(roleOf(newname, ""), func() error { return f.FS.Rename(oldname, newname) })
}

// Link implements vfs.FS.
func (f *fence) Link(oldname, newname string) error {
	return f.do(roleOf(newname, ""), func() error { return f.FS.Link(oldname, newname) })
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }

// fencedFile is a file that is written to.
type fencedFile struct {
	vfs.File
	fence *fence
	role  role
}

// Write implements vfs.File.
func (f *fencedFile) Write(p []byte) (n int, err error) {
	n = len(p)
	err = f.fence.do(f.role, func() error { n, err = f.File.Write(p); return err })
	if err == nil {
		n = len(p)
	}
	return n, err
}

// WriteAt implements vfs.File.
func (f *fencedFile) WriteAt(p []byte, at int64) (n int, err error) {
	err = f.fence.do(f.role, func() error { n, err = f.File.WriteAt(p, at); return err })
	if err == nil {
		n = len(p)
	}
	return n, err
}

// Preallocate implements vfs.File.
func (f *fencedFile) Preallocate(at, length int64) error {
	return f.fence.do(f.role, func() error { return f.File.Preallocate(at, length) })
}

// Sync implements vfs.File.
func (f *fencedFile) Sync() error { return f.fence.do(f.role, f.File.Sync) }

// SyncData implements vfs.File.
func (f *fencedFile) SyncData() error { return f.fence.do(f.role, f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *fencedFile) SyncTo(length int64) (full bool, err error) {
	full = true
	err = f.fence.do(f.role, func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Close implements vfs.File.
func (f *fencedFile) Close() error {
	err := f.File.Close()
	if f.fence.failure() != nil {
		return nil
	}
	return err
}
