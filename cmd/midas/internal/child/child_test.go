//go:build unix

package child_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"midas/cmd/midas/internal/child"
)

func TestExitStatusIsTheCommands(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("echo"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args   []string
		status int
		words  string
	}{
		"success":          {[]string{"sh", "-c", "exit 0"}, 0, ""},
		"failure":          {[]string{"sh", "-c", "exit 3"}, 3, ""},
		"large status":     {[]string{"sh", "-c", "exit 255"}, 255, ""},
		"killed":           {[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		"terminated":       {[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		"not found":        {[]string{"midas-no-such-program"}, child.NotFound, "run midas-no-such-program: executable file not found in $PATH"},
		"no such path":     {[]string{"/nowhere/program"}, child.NotFound, "run /nowhere/program: no such file or directory"},
		"not executable":   {[]string{plain}, child.NotExecutable, "permission denied"},
		"a folder":         {[]string{"/"}, child.NotExecutable, "run /: "},
		"command and args": {[]string{"sh", "-c", `test "$1" = "a b"`, "-", "a b"}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, err := child.Run(exec.Command(c.args[0], c.args[1:]...))
			if status != c.status || (err != nil) != (c.words != "") || err != nil && !strings.Contains(err.Error(), c.words) {
				t.Errorf("status %d, error %v", status, err)
			}
		})
	}
}

func TestStreamsPassThrough(t *testing.T) {
	var out, errs strings.Builder
	cmd := exec.Command("sh", "-c", "cat; echo oops >&2")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("in"), &out, &errs
	if status, err := child.Run(cmd); status != 0 || err != nil || out.String() != "in" || errs.String() != "oops\n" {
		t.Errorf("%d %v %q %q", status, err, &out, &errs)
	}
}

// A supervisor that signals midas means the command. (Interrupts are left out here: where the tests
// run in a terminal, they would be taken for keys.)
func TestSignalsArePassedOn(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "USR1": syscall.SIGUSR1} {
		t.Run(name, func(t *testing.T) {
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			hold, release, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _, _ = hold.Close(), release.Close(), read.Close() }()
			cmd := exec.Command("sh", "-c", "trap 'exit 7' "+name+"; echo ready; read line")
			cmd.Stdin, cmd.Stdout = hold, write
			go func() {
				if line, err := bufio.NewReader(read).ReadString('\n'); err == nil && line == "ready\n" {
					_ = syscall.Kill(os.Getpid(), signal)
				}
				_, _ = io.Copy(io.Discard, read)
			}()
			status, err := child.Run(cmd)
			_ = write.Close()
			if status != 7 || err != nil {
				t.Errorf("status %d, error %v", status, err)
			}
		})
	}
}
