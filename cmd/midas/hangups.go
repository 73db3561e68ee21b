package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// hangups are the SIGHUPs of a program that serves. A service manager sends one to make it read its files again, which
// must not end it. The kernel sends one when the terminal of the program is closed, which does.
type hangups struct {
	signals chan os.Signal
	had     bool // the program had a terminal at its start, and does not outlive it as under nohup
	end     func()
	done    sync.WaitGroup
}

// newHangups ignores SIGHUP until serve, except that end is called when the terminal is closed.
func newHangups(end func()) *hangups {
	h := &hangups{signals: make(chan os.Signal, 1), had: !signal.Ignored(syscall.SIGHUP) && terminal(), end: end}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// serve calls reload for each SIGHUP, until stop.
func (h *hangups) serve(reload func()) {
	h.done.Go(func() {
		for range h.signals {
			if h.had && !terminal() {
				h.end()
				continue
			}
			reload()
		}
	})
}

// stop gives SIGHUP its usual effect again.
func (h *hangups) stop() {
	signal.Stop(h.signals)
	close(h.signals)
	h.done.Wait()
}

// terminal reports whether this process has a controlling terminal.
func terminal() bool {
	f, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}
