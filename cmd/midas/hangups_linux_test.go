package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// TestAHangupDoesNotEndAServer sends SIGHUP to a server without a certificate of its own, as a service manager does that
// reloads it. The signal also comes before the server is ready.
func TestAHangupDoesNotEndAServer(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	for range 3 {
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // signals of the same moment are one
	}
	if _, errs, ok := command(t, "token", "--data", data); !ok {
		t.Errorf("after SIGHUP: %s", errs)
	}
	p.end(t, os.Interrupt)
	if !strings.Contains(p.stderr.String(), "no certificate of Config.TLS to read again") {
		t.Errorf("the log says nothing: %s", &p.stderr)
	}
}

// TestAServerEndsWithItsTerminal closes the terminal in which a server runs, and that of one that ignores hangups as
// under nohup.
func TestAServerEndsWithItsTerminal(t *testing.T) {
	for _, nohup := range []bool{false, true} {
		data := filepath.Join(t.TempDir(), "data")
		master, slave := pseudoTerminal(t)
		script := `exec "$@"`
		if nohup {
			script = `trap "" HUP; exec "$@"`
		}
		cmd := exec.Command("sh", "-c", script, "sh", "midas", "serve", "--data", data, "--listen", "127.0.0.1:0")
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = slave.Close()
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			if _, _, ok := command(t, "token", "--data", data); ok {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("the server was never ready")
			}
		}
		_ = master.Close()
		if nohup {
			if _, errs, ok := command(t, "token", "--data", data); !ok {
				t.Errorf("under nohup: %s", errs)
			}
			_ = cmd.Process.Signal(os.Interrupt)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ended: %v", err)
			}
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			t.Fatal("the server goes on without its terminal")
		}
	}
}

// pseudoTerminal opens a terminal that closes with master.
func pseudoTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var number, locked uint32
	for request, value := range map[uintptr]*uint32{syscall.TIOCGPTN: &number, syscall.TIOCSPTLCK: &locked} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	if slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return master, slave
}
