package federation

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/clock"
	"midas/internal/outbound"
)

// lookInterval is how often a file is looked at.
const lookInterval = time.Second

// watchedFile is a file that is read again when it changes. If the new content is not acceptable, the old value
// stays. It is safe for concurrent use.
type watchedFile[T any] struct {
	path  string
	parse func([]byte) (T, error)

	value  atomic.Pointer[T]
	looked atomic.Pointer[time.Time]

	mu     sync.Mutex // held by the one that looks at the file
	seen   os.FileInfo
	fault  error // of the content of seen; nil if it is the value
	faulty bool  // the last look failed and was logged
}

// openWatched reads a file, or returns an error that names it.
func openWatched[T any](path string, now time.Time, parse func([]byte) (T, error)) (*watchedFile[T], error) {
	f := &watchedFile[T]{path: path, parse: parse}
	if _, err := f.load(); err != nil {
		return nil, err
	}
	f.looked.Store(&now)
	return f, nil
}

// read returns the value of the file.
func (f *watchedFile[T]) read(now time.Time, log *slog.Logger) T {
	if clock.Over(*f.looked.Load(), lookInterval, now) && f.mu.TryLock() { // the others use the value of before
		changed, err := f.load()
		f.looked.Store(&now)
		switch {
		case err != nil && (changed || !f.faulty):
			log.Error("a file of an issuer is not acceptable; its earlier content stays in use", "file", f.path, "cause", err)
		case err == nil && changed:
			log.Info("a file of an issuer was read again", "file", f.path)
		}
		f.faulty = err != nil
		f.mu.Unlock()
	}
	return *f.value.Load()
}

// load reads the file if it is another one than before.
func (f *watchedFile[T]) load() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, err
	}
	if f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size() {
		return false, f.fault
	}
	f.seen = info
	f.fault = f.parseFile(info)
	return true, f.fault
}

// parseFile reads the file into the value.
func (f *watchedFile[T]) parseFile(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, outbound.MaxBody+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	if len(data) > outbound.MaxBody {
		return fmt.Errorf("%s has more than %d bytes", f.path, outbound.MaxBody)
	}
	value, err := f.parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.value.Store(&value)
	return nil
}
