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

// fence is the file system of one opening of the database. It passes all calls on until a write fails that is
// essential for Pebble. After that, no write of this opening reaches the disk, as if the process had crashed
// at that moment, so another opening of the same folder can write while this one still serves reads.
//
// If its log or its manifest cannot be written, Pebble panics, sometimes with its locks in a state from which
// it cannot recover. So the fence hides the failure from Pebble: writes to the log seem to succeed (Commit
// checks failure before it acknowledges a commit), and flushes, compactions and edits of the manifest block
// in the file system until release.
type fence struct {
	vfs.FS
	broke func() // called once, when the first write fails; it must not block

	live     atomic.Bool // set after Open; until then Pebble gets the errors of its log
	cause    atomic.Pointer[error]
	failed   chan struct{} // closed with the first failure
	once     sync.Once
	released chan struct{}
}

const retiredPause = 20 * time.Millisecond

// errRetired is the error of writes to an opening that was replaced.
var errRetired = errors.New("this opening of the store was replaced after a failed write")

func newFence(fs vfs.FS, broke func()) *fence {
	return &fence{FS: fs, broke: broke, failed: make(chan struct{}), released: make(chan struct{})}
}

// failure returns the error of the first failed write, or nil.
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

// release makes the blocked writes return errors, so that the database can be closed.
func (f *fence) release() { f.once.Do(func() { close(f.released) }) }

// role is the purpose of a file. It decides how a failed write is handled.
type role uint8

const (
	other   role = iota // compactions and files that are not essential: Pebble gets the error and retries
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

// do runs a write to a file of the given role.
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
	time.Sleep(retiredPause) // because Pebble retries immediately until it is closed
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
	if file == nil { // the file is the log, and a write has failed
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

// Remove implements vfs.FS. After a failure it removes nothing, because the files belong to another opening.
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

// fencedFile is a file that is open for writing.
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
