//go:build e2e && cluster

// Package faults runs replicas of the built binary on each engine, strikes them with faults while clients read and
// write, and checks what the clients have seen. docs/faults.md describes it.
//
// The tests run in a network namespace and a mount namespace of their own, which needs root. Nothing in them reaches
// another machine.
package faults

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// settings are the flags of the long form.
type settings struct {
	length time.Duration
	seed   int64
	faults *regexp.Regexp // names of the faults that are struck
}

// long reports whether the long form runs.
func (s settings) long() bool { return s.length > 0 }

// insideVariable is set in the environment of the process that runs the tests in the namespaces.
const insideVariable = "MIDAS_FAULTS_INSIDE"

func TestMain(m *testing.M) {
	flag.Duration("for", 0, "begin no round of faults after this time; 0 is the short form, one round")
	flag.Int64("seed", 0, "seed of all random choices; 0 chooses one")
	flag.String("faults", "", "strike only faults whose names match this regular expression")
	flag.Parse()
	if url := os.Getenv(holderVariable); url != "" {
		if err := runHolder(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(insideVariable) == "" {
		os.Exit(isolate())
	}
	if err := enclose(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.Exit(code)
}

// flags returns the settings of this run.
func flags() settings {
	get := func(name string) any { return flag.Lookup(name).Value.(flag.Getter).Get() }
	return settings{length: get("for").(time.Duration), seed: get("seed").(int64), faults: regexp.MustCompile(get("faults").(string))}
}

// isolate runs this program again in new namespaces, and returns its exit code.
func isolate() int {
	runtime.LockOSThread() // Pdeathsig follows the thread
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "make namespaces (this needs root):", err)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(1, exit.ExitCode())
	}
	return 0
}

// enclose prepares the namespaces of this process.
func enclose() error {
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip link: %w %s", err, out)
	}
	return nil
}

// nameBalancer gives the host of the origin an address, in these namespaces only.
func nameBalancer(t testing.TB, address string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "hosts")
	text := fmt.Sprintf("127.0.0.1 localhost\n%s midas.example\n", address)
	err := os.WriteFile(name, []byte(text), 0o644)
	if err == nil {
		err = syscall.Mount(name, "/etc/hosts", "", syscall.MS_BIND, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount("/etc/hosts", syscall.MNT_DETACH) }) // nothing can be mounted on a removed file
}

// midasBinary is the path of the built binary.
func midasBinary(t testing.TB) string {
	t.Helper()
	name, err := filepath.Abs("../../bin/midas")
	if err == nil {
		_, err = os.Stat(name)
	}
	if err != nil {
		t.Fatalf("make build: %v", err)
	}
	return name
}

// eventually waits until something holds. The bound is generous: what is tested is that it comes by itself.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
