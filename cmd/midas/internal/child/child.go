// Package child runs a command in the foreground with the standard streams, the terminal and the process
// group of this process. It passes signals on and returns the exit status as a shell does.
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

// Exit statuses, as in POSIX shells.
const (
	NotExecutable = 126
	NotFound      = 127
	bySignal      = 128 // plus the signal's number
)

// Run runs a command to its end and returns its exit status, or 128 and the number of the signal
// that ended it. If the command cannot be started, it returns an error and NotFound or NotExecutable.
//
// Run passes signals on to the command, except those that a terminal sends: they go to the whole process
// group, so the command has already received them.
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
					_ = cmd.Process.Signal(s) // it fails only if the command has ended
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

// plain removes the command's name from an error, because Run adds it.
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
