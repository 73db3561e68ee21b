// Package child runs a command in the place of this process: the same standard streams and terminal,
// the same process group, signals passed on, and an exit status as a shell would tell it.
package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// Exit statuses, as shells have them.
const (
	NotExecutable = 126
	NotFound      = 127
	bySignal      = 128 // and the signal's number
)

// Run runs a command to its end and returns its exit status, or 128 and the number of the signal
// that ended it. A command that could not be started is an error, with the status for it.
//
// Signals that reach this process are passed on to the command. The ones that a terminal sends go
// to the whole group, so the command has those already.
func Run(cmd *exec.Cmd) (status int, err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn()...) // before the start, so that none of them ends this process
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return statusOf(err), fmt.Errorf("run %s: %w", cmd.Args[0], plain(err))
	}
	done := make(chan struct{})
	var passing sync.WaitGroup
	passing.Go(func() {
		for {
			select {
			case s := <-signals:
				if !fromTerminal(s) {
					_ = cmd.Process.Signal(s) // an error says that it has ended
				}
			case <-done:
				return
			}
		}
	})
	err = cmd.Wait()
	close(done)
	passing.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 1, fmt.Errorf("wait for %s: %w", cmd.Args[0], err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return bySignal + int(ws.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

func statusOf(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return NotFound
	}
	return NotExecutable
}

// plain takes the command's name out of an error that is about to name it.
func plain(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return lookup.Err
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
