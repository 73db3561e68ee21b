package pebble

import (
	"fmt"
	"log/slog"
	"os"
)

// logger lets Pebble speak when something is wrong, and only then.
type logger struct {
	log *slog.Logger // nil: nobody listens
}

// Infof is what Pebble calls for every flush and compaction.
func (logger) Infof(string, ...any) {}

func (l logger) Errorf(format string, args ...any) {
	if l.log != nil {
		l.log.Error("pebble: " + fmt.Sprintf(format, args...))
	}
}

// Fatalf must not return: Pebble calls it when memory and disk disagree, for example when its manifest
// cannot be written. Stopping here loses nothing that was acknowledged; going on might. The text goes
// to standard error even without a logger, since a process that ends must say why.
func (l logger) Fatalf(format string, args ...any) {
	text := "pebble: " + fmt.Sprintf(format, args...)
	if l.log != nil {
		l.log.Error(text)
	} else {
		fmt.Fprintln(os.Stderr, text)
	}
	os.Exit(1)
}
