package child_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"midas/cmd/midas/internal/child"
)

// TestMain lets a test run this binary as a program that runs a command.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "run-child" {
		cmd := exec.Command(os.Args[2], os.Args[3:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		status, err := child.Run(cmd)
		fmt.Println("status", status, err)
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// terminal opens a pseudo terminal.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no pseudo terminals: %v", err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	fd := int(keyboard.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	return keyboard, screen
}

// A key sends its signal to the whole process group. The command must not receive it a second time, and
// the program that runs it must survive it to return the status.
func TestKeysReachTheCommandOnce(t *testing.T) {
	keyboard, screen := terminal(t)
	cmd := exec.Command(os.Args[0], "run-child", "sh", "-c", `trap 'echo interrupted' INT; test -t 0 && echo ready; read a; echo "line $a"; read b; exit 4`)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	_ = screen.Close()
	var shown []string
	for lines := bufio.NewScanner(keyboard); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		shown = append(shown, line)
		switch {
		case line == "ready":
			_, _ = keyboard.WriteString("\x03")
		case strings.HasSuffix(line, "interrupted"):
			_, _ = keyboard.WriteString("x\n")
		case strings.HasPrefix(line, "line "):
			_, _ = keyboard.WriteString("y\n")
		}
	}
	_ = cmd.Wait()
	all := strings.Join(shown, "\n")
	if strings.Count(all, "interrupted") != 1 || !strings.Contains(all, "status 4 <nil>") || cmd.ProcessState.ExitCode() != 4 {
		t.Errorf("status %d, the terminal shows:\n%s", cmd.ProcessState.ExitCode(), all)
	}
}
