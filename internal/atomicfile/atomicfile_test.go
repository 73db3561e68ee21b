package atomicfile_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"midas/internal/atomicfile"
)

func TestWriteReplacesTheFileAndLeavesNoOtherFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	for _, content := range []string{"one", "two, longer", ""} {
		if err := atomicfile.Write(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("read %q, %v; want %q", got, err, content)
		}
	}
	only(t, dir, "secret", 0o600)
}

func TestCreateLeavesAnExistingFileUnchanged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	if err := atomicfile.Create(path, []byte("first"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Create(path, []byte("second"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second create: %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "first" {
		t.Errorf("the file holds %q", got)
	}
	only(t, dir, "key", 0o644)
}

func TestExactlyOneConcurrentCreateSucceeds(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "key")
	won := make([]bool, 16)
	var wg sync.WaitGroup
	for i := range won {
		wg.Go(func() {
			err := atomicfile.Create(path, bytes.Repeat([]byte{byte(i)}, 1000), 0o600)
			won[i] = err == nil
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range won {
		if holds := bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, 1000)); holds != w {
			t.Errorf("creator %d: told %v, the file says %v", i, w, holds)
		}
	}
}

func TestMissingFolderIsAnError(t *testing.T) {
	if err := atomicfile.Write(filepath.Join(t.TempDir(), "no", "file"), nil, 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// only checks that dir contains nothing but one file of that name and mode.
func only(t *testing.T, dir, name string, mode fs.FileMode) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0].Name() != name {
		t.Fatalf("folder holds %v", entries)
	}
	info, err := entries[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != mode {
		t.Errorf("mode %v, want %v", info.Mode(), mode)
	}
}

func TestWriteForGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, text := range []string{"one", "two"} {
		if err := atomicfile.WriteForGroup(path, []byte(text), os.Getgid()); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(got) != text || info.Mode() != 0o640 {
			t.Errorf("%q %v: %v %v", got, info, err, statErr)
		}
	}
}
