//go:build e2e && cluster

package faults

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// wallClock moves the wall clock of one process. Go reads clocks in the vDSO, a library that the kernel maps into each
// process. The process gets a private copy of its function clock_gettime, which asks the kernel and adds seconds to
// the wall clock only.
type wallClock struct {
	memory *os.File // of the process
	at     int64    // of the function
}

// offsetAt is where in the new function the seconds are.
const offsetAt = 24

// newFunction is clock_gettime(edi, rsi) for amd64.
func newFunction() []byte {
	code := []byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, 228 (clock_gettime)
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi (CLOCK_REALTIME is 0)
		0x75, 0x0a, // jnz to ret
		0x48, 0x8b, 0x0d, 6, 0, 0, 0, // mov rcx, [rip+6]
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3,       // ret
		0x90, 0x90, // nop
	}
	return append(code, make([]byte, 8)...)
}

// newWallClock changes a process. It must run on amd64.
func newWallClock(t testing.TB, pid int) *wallClock {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Fatal("moving the clock of a process is written for amd64 only")
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = memory.Close() })
	low, high := vdso(t, pid)
	image := make([]byte, high-low)
	if _, err := memory.ReadAt(image, int64(low)); err != nil {
		t.Fatal(err)
	}
	w := &wallClock{memory: memory, at: int64(low + symbol(t, image, "__vdso_clock_gettime"))}
	for range 100 { // no thread may be in the library while it changes
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		time.Sleep(10 * time.Millisecond)
		if !executes(pid, low, high) {
			w.write(t, newFunction(), 0)
			_ = syscall.Kill(pid, syscall.SIGCONT)
			return w
		}
		_ = syscall.Kill(pid, syscall.SIGCONT)
		time.Sleep(time.Millisecond)
	}
	t.Fatal("some thread always reads the clock")
	return nil
}

// vdso returns where a process has the library.
func vdso(t testing.TB, pid int) (low, high uint64) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &low, &high); err != nil {
				t.Fatal(err)
			}
			return low, high
		}
	}
	t.Fatal("the process has no vDSO")
	return 0, 0
}

func symbol(t testing.TB, image []byte, name string) uint64 {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := file.DynamicSymbols()
	for _, s := range symbols {
		if s.Name == name && s.Size > uint64(len(newFunction())) {
			return s.Value
		}
	}
	t.Fatalf("the vDSO has no %s: %v", name, err)
	return 0
}

// executes reports whether a stopped process has a thread whose next instruction is in a range.
func executes(pid int, low, high uint64) bool {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 2 {
			return true // it runs
		}
		var counter uint64
		if _, err := fmt.Sscanf(fields[len(fields)-1], "0x%x", &counter); err != nil || counter >= low && counter < high {
			return true
		}
	}
	return false
}

// Set moves the clock to a distance from the machine's.
func (w *wallClock) Set(t testing.TB, distance time.Duration) {
	t.Helper()
	w.write(t, binary.LittleEndian.AppendUint64(nil, uint64(int64(distance/time.Second))), offsetAt)
}

func (w *wallClock) write(t testing.TB, data []byte, offset int64) {
	t.Helper()
	if _, err := w.memory.WriteAt(data, w.at+offset); err != nil {
		t.Fatal(err)
	}
}
