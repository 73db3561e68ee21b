//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// begin runs the binary in a folder of its own and gives what it printed up to the ready line, and
// how long that took.
func begin(t *testing.T, dir string, flags ...string) (*exec.Cmd, string, time.Duration) {
	t.Helper()
	binary, err := filepath.Abs("../bin/midas")
	if err != nil {
		t.Fatal(err)
	}
	return beginBinary(t, binary, dir, flags...)
}

// beginBinary is begin for a binary at an absolute path.
func beginBinary(t *testing.T, binary, dir string, flags ...string) (*exec.Cmd, string, time.Duration) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"serve", "--listen", "localhost:0"}, flags...)...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatalf("run make build first: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("midas ended with %v: %s", err, &errs)
		}
	})
	var banner strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		banner.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "ready ") {
			return cmd, banner.String(), time.Since(begun)
		}
	}
	t.Fatalf("midas was never ready: %s", &errs)
	return nil, "", 0
}

func paste(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(script)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// The lines that serve prints are there to be pasted, so they are pasted.
func TestLinesOfTheBannerWork(t *testing.T) {
	dir := t.TempDir()
	_, banner, _ := begin(t, dir)
	_, rest, found := strings.Cut(banner, "in another terminal:\n")
	lines, _, found2 := strings.Cut(rest, "\nready ")
	if !found || !found2 {
		t.Fatalf("the banner has changed:\n%s", banner)
	}
	// Each answer is followed by its status, so that it can be looked at.
	lines = strings.ReplaceAll(lines, "curl ", `curl -sS -w '\n%{http_code}\n' `)
	var statuses []string
	out := paste(t, dir, lines+"\n"+lastLine(lines))
	for _, l := range strings.Split(out, "\n") {
		if regexp.MustCompile(`^\d{3}$`).MatchString(l) {
			statuses = append(statuses, l)
		}
	}
	if got := strings.Join(statuses, " "); got != "201 201 200 200 204" {
		t.Errorf("statuses %s\n%s", got, out)
	}
	for _, want := range []string{`"name":"rg1"`, `"name":"app"`, `"clientSecretUrl"`, `"value":[{`} {
		if !strings.Contains(out, want) {
			t.Errorf("the answers lack %s:\n%s", want, out)
		}
	}
}

func lastLine(s string) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return all[len(all)-1] + "\n"
}

// What a start may cost, where keys exist already: 200 ms and 40 MiB. The engines that replicas share may cost 10 MiB
// more. Of several starts the best counts, since the machine has other things to do.
func TestStartIsQuickAndSmall(t *testing.T) {
	withEngines, err := filepath.Abs("../bin/midas")
	if err != nil {
		t.Fatal(err)
	}
	without := filepath.Join(t.TempDir(), "midas")
	build := exec.Command("go", "build", "-trimpath", "-o", without, "../cmd/midas")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the binary without these engines: %v\n%s", err, out)
	}
	for binary, most := range map[string]int{without: 40 << 10, withEngines: 50 << 10} {
		dir := t.TempDir()
		best, smallest := time.Hour, 1<<30
		for i := range 6 {
			t.Run("", func(t *testing.T) {
				cmd, _, took := beginBinary(t, binary, dir)
				if i > 0 {
					best, smallest = min(best, took), min(smallest, resident(t, cmd.Process.Pid))
				}
			})
		}
		t.Logf("%s: ready after %v, %d KiB resident", binary, best, smallest)
		if best > 200*time.Millisecond {
			t.Errorf("%s: ready after %v", binary, best)
		}
		if smallest > most {
			t.Errorf("%s: %d KiB resident, and %d are allowed", binary, smallest, most)
		}
	}
}

// resident is the memory of a process in KiB.
func resident(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Skip("this needs Linux")
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatalf("no VmRSS in %s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}
