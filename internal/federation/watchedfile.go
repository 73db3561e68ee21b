package federation

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"midas/internal/clock"
	"midas/internal/outbound"
)

const (
	// lookInterval is how often a file is looked at.
	lookInterval = time.Second
	// timeGranularity is more than the unit in which file systems note the time of a change.
	timeGranularity = 2 * time.Second
)

// watchedFile is a file that is read again when it changes. If the new content is not acceptable, the old value
// stays. It is safe for concurrent use.
type watchedFile[T any] struct {
	path  string
	parse func([]byte) (T, error)

	value  atomic.Pointer[T]
	looked atomic.Pointer[time.Time]

	mu     sync.Mutex // held by the one that looks at the file
	seen   os.FileInfo
	again  bool  // the file is read at the next look, also if it is still seen
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
		case err == nil && (changed || f.faulty):
			log.Info("a file of an issuer was read again", "file", f.path)
		}
		f.faulty = err != nil
		f.mu.Unlock()
	}
	return *f.value.Load()
}

// load reads the file if it is another one than before, or if it must be read again.
func (f *watchedFile[T]) load() (changed bool, err error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return false, err
	}
	same := f.seen != nil && os.SameFile(f.seen, info) && f.seen.ModTime().Equal(info.ModTime()) && f.seen.Size() == info.Size()
	if same && !f.again {
		return false, f.fault
	}
	// A file that was written a moment ago may be written once more without a change of its time and size.
	f.seen, f.again = info, time.Since(info.ModTime()).Abs() < timeGranularity
	data, err := f.content()
	if err != nil { // such as a missing permission, which can be given without a change of the file
		f.fault, f.again = err, true
		return !same, err
	}
	value, err := f.parse(data)
	if f.fault = err; err != nil {
		f.fault = fmt.Errorf("%s: %w", f.path, err)
		return !same, f.fault
	}
	f.value.Store(&value)
	return !same, nil
}

// content reads the file. It does not wait for the writer of a pipe that has replaced it.
func (f *watchedFile[T]) content() ([]byte, error) {
	file, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(fmt.Errorf("%s is not a regular file", f.path), err)
	}
	data, err := io.ReadAll(io.LimitReader(file, outbound.MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", f.path, err)
	}
	if len(data) > outbound.MaxBody {
		return nil, fmt.Errorf("%s has more than %d bytes", f.path, outbound.MaxBody)
	}
	return data, nil
}
