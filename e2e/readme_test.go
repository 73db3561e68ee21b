//go:build e2e

// Package e2e uses Midas as its users do: the built binary, the shell, curl. Its tests need more
// than Go, so they run only with the tag e2e, and fail when a part is missing.
package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadmeWalkThrough runs every shell block of the README's walk-through, word for word, in a
// copy of the checkout: the first block is the server, the others one after the other in one shell.
// A block's output must be what the README shows below it, where … stands for anything.
func TestReadmeWalkThrough(t *testing.T) {
	need(t, "bash", "curl", "git", "go")
	checkout := copyOfCheckout(t)
	blocks := walkThrough(t, filepath.Join(checkout, "README.md"))
	if len(blocks) < 6 {
		t.Fatalf("the walk-through has only %d blocks", len(blocks))
	}
	serve(t, checkout, blocks[0].script)

	const border = "-- end of block --"
	script := "set -euo pipefail\n"
	for _, b := range blocks[1:] {
		script += b.script + "\necho\necho '" + border + "'\n"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir, shell.Stderr = checkout, os.Stderr
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("the walk-through failed: %v\n%s", err, out)
	}
	outputs := strings.Split(string(out), border)
	for i, b := range blocks[1:] {
		if got := strings.TrimSpace(outputs[i]); !b.want.MatchString(got) {
			t.Errorf("block %d\n%s\nprinted %s\n   want %s", i+2, b.script, got, b.shown)
		}
	}
}

type block struct {
	script, shown string
	want          *regexp.Regexp
}

// walkThrough reads the sh blocks of the section "Walk-through", each with the text block behind it.
func walkThrough(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Walk-through\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var blocks []block
	for _, m := range regexp.MustCompile("(?s)```(sh|text)\n(.*?)\n```").FindAllStringSubmatch(section, -1) {
		if m[1] == "sh" {
			blocks = append(blocks, block{script: m[2], want: regexp.MustCompile("")})
			continue
		}
		b := &blocks[len(blocks)-1]
		parts := strings.Split(m[2], "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		b.shown, b.want = m[2], regexp.MustCompile("(?s)^"+strings.Join(parts, ".*?")+"$")
	}
	return blocks
}

// serve runs a command that serves until the test ends, and waits for its ready line.
func serve(t *testing.T, dir, command string) {
	t.Helper()
	server := exec.Command("bash", "-c", "exec "+command)
	server.Dir, server.SysProcAttr = dir, &syscall.SysProcAttr{Setpgid: true}
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// go run passes no signal on, so the whole group that this test has made is told.
		_ = syscall.Kill(-server.Process.Pid, syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		_ = server.Wait()
	})
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "ready https://localhost:8443") {
				ready <- nil
				return
			}
		}
		ready <- fmt.Errorf("the server ended before it was ready: %v", lines.Err())
	}()
	select {
	case err := <-ready:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Minute): // it is compiled first
		t.Fatal("the server is not ready after five minutes")
	}
}

// copyOfCheckout copies what git knows or would add, so that nothing in the checkout is touched.
func copyOfCheckout(t *testing.T) string {
	t.Helper()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("list the checkout: %v", err)
	}
	dir := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // deleted, but not yet for git
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("this test needs %s: %v", program, err)
		}
	}
}
