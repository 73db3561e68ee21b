package pebble

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// logger lets Pebble speak when something is wrong, and only then.
type logger struct {
	log   *slog.Logger // nil: nobody listens
	fence *fence       // of the database that speaks; nil in memory
}

// Infof is what Pebble calls for every flush and compaction.
func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.fence != nil && l.fence.failure() != nil {
		return // it was said, and what follows from it says nothing more
	}
	if l.log != nil {
		l.log.Error("pebble: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf must not return: Pebble calls it when memory and disk disagree, for example when its manifest
// cannot be written. Stopping here loses nothing that was acknowledged; going on might. The text goes
// to standard error even without a logger, since a process that ends must say why.
//
// A database that has failed before is being given up, and nothing of it reaches the disk: there it does
// no harm. While a database is being opened, the opening fails.
func (l logger) Fatalf(format string, args ...any) {
	if l.fence != nil && l.fence.failure() != nil {
		return
	}
	if l.fence != nil && !l.fence.live.Load() {
		l.fence.fail(openingError(args, fmt.Sprintf(format, args...)))
		select {} // openDatabase has given it up
	}
	text := "pebble: " + fmt.Sprintf(format, args...)
	if l.log != nil {
		l.log.Error(text)
	} else {
		fmt.Fprintln(os.Stderr, text)
	}
	os.Exit(1)
}

// openingError keeps the cause of a fatal error.
func openingError(args []any, text string) error {
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			return err
		}
	}
	return errors.New(text)
}
