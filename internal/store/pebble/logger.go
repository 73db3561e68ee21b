package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// logger is Pebble's logger. It passes on errors only.
type logger struct {
	log   *slog.Logger // nil: errors are not logged
	fence *fence       // the file system of the database; nil in memory
}

// Infof does nothing. Pebble calls it for every flush and compaction.
func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.fence != nil && l.fence.failure() != nil {
		return // the first failure was logged, and later errors are consequences of it
	}
	if l.log != nil {
		l.log.Error("pebble: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf ends the process. Pebble calls it if memory and disk differ, for example if its manifest cannot be
// written, and it must not return. The end of the process loses no acknowledged write; going on might lose
// one. Without a logger the text goes to standard error, because a process that ends must say why.
//
// There are two exceptions. After a failed write, Fatalf returns: the fence lets no write of this database
// reach the disk, and the database will be replaced. While a database is being opened, the opening fails.
func (l logger) Fatalf(format string, args ...any) {
	if l.fence != nil && l.fence.failure() != nil {
		return
	}
	if l.fence != nil && !l.fence.live.Load() {
		l.fence.fail(openingError(args, fmt.Sprintf(format, args...)))
		select {} // openDatabase does not wait for this goroutine any more
	}
	text := "pebble: " + fmt.Sprintf(format, args...)
	if l.log != nil {
		l.log.Error(text)
	} else {
		fmt.Fprintln(os.Stderr, text)
	}
	os.Exit(1)
}

// openingError returns the cause of a fatal error.
func openingError(args []any, text string) error {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			return err
		}
	}
	return errors.New(text)
}
