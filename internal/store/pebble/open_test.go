package pebble_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pdb "github.com/cockroachdb/pebble/v2"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

func TestDataSurvivesReopen(t *testing.T) {
	storetest.Reopen(t, func(t testing.TB, dir string) store.Store {
		return storetest.CloseAtEnd(t, store.New(cached(folder(t, dir)), store.Options{}))
	})
}

func TestSecondUseOfAFolderIsRefused(t *testing.T) {
	const variable = "MIDAS_PEBBLE_SECOND"
	if dir := os.Getenv(variable); dir != "" {
		_, err := pebble.Open(dir, pebble.Options{})
		fmt.Printf("second process: %v\n", err)
		return
	}
	dir := t.TempDir()
	e := folder(t, dir)
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), variable+"="+dir)
	out, err := child.Output()
	if want := "second process: another midas process uses the store in " + dir + "\n"; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if _, err := pebble.Open(dir, pebble.Options{}); err == nil || err.Error() != "this midas process already uses the store in "+dir {
		t.Errorf("in the same process: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := folder(t, dir).Close(); err != nil {
		t.Errorf("after the first has closed: %v", err)
	}
}

// filled returns a folder as a crash leaves it: with tables, and with a log of 50 commits.
func filled(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	var crashed string
	for round := range 3 {
		st := store.New(folder(t, dir), store.Options{})
		for i := range 50 {
			_, err := st.Update(t.Context(), func(tx store.Tx) error {
				tx.Put(fmt.Sprintf("k/%d/%d", round, i), []byte(strings.Repeat("x", 700)))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		crashed = filepath.Join(t.TempDir(), "crashed")
		if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return crashed
}

// set writes one of the engine's own keys without the engine.
func set(t *testing.T, dir, key, value string) {
	t.Helper()
	db, err := pdb.Open(dir, &pdb.Options{Logger: quiet{}, FormatMajorVersion: pdb.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set([]byte(key), []byte(value), pdb.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (quiet) Fatalf(format string, a ...any) { panic(fmt.Sprintf(format, a...)) }

// each applies change to the files that match a pattern.
func each(t *testing.T, dir, pattern string, change func(name string) error) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("no file is like %s: %v", pattern, err)
	}
	for _, name := range names {
		if err := change(name); err != nil {
			t.Fatal(err)
		}
	}
}

// flip changes one byte in the middle of a file.
func flip(name string) error {
	content, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	content[len(content)/3] ^= 0x55
	return os.WriteFile(name, content, 0o600)
}

func TestUnusableFoldersAreRefusedWithTheReason(t *testing.T) {
	garbage := func(name string) error { return os.WriteFile(name, []byte(strings.Repeat("garbage ", 999)), 0o600) }
	empty := func(name string) error { return os.Truncate(name, 0) }
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"newer midas", func(t *testing.T, dir string) { set(t, dir, "mformat", "2") }, "newer midas"},
		{"newer database", func(t *testing.T, dir string) {
			each(t, dir, "marker.format-version.*", func(name string) error {
				return os.Rename(name, filepath.Join(dir, "marker.format-version.000099.099"))
			})
		}, "newer midas"},
		{"format is garbage", func(t *testing.T, dir string) { set(t, dir, "mformat", "?") }, "damaged"},
		{"head is garbage", func(t *testing.T, dir string) { set(t, dir, "mhead", "?") }, "damaged"},
		{"manifest is garbage", func(t *testing.T, dir string) { each(t, dir, "MANIFEST-*", garbage) }, "damaged"},
		{"manifest is empty", func(t *testing.T, dir string) { each(t, dir, "MANIFEST-*", empty) }, "damaged"},
		{"manifest is gone", func(t *testing.T, dir string) { each(t, dir, "MANIFEST-*", os.Remove) }, "damaged"},
		{"manifest has a wrong byte", func(t *testing.T, dir string) { each(t, dir, "MANIFEST-*", flip) }, "damaged"},
		{"log has a wrong byte", func(t *testing.T, dir string) { each(t, dir, "*.log", flip) }, "damaged"},
		{"markers are gone", func(t *testing.T, dir string) { each(t, dir, "marker.*", os.Remove) }, "neither empty nor"},
		{"tables are gone", func(t *testing.T, dir string) { each(t, dir, "*.sst", os.Remove) }, "damaged"},
		{"tables are cut", func(t *testing.T, dir string) { each(t, dir, "*.sst", empty) }, "damaged"},
		{"tables are garbage", func(t *testing.T, dir string) { each(t, dir, "*.sst", garbage) }, "damaged"},
		{"other files", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := garbage(filepath.Join(dir, "letter.txt")); err != nil {
				t.Fatal(err)
			}
		}, "letter.txt"},
		{"a file", func(t *testing.T, dir string) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := garbage(dir); err != nil {
				t.Fatal(err)
			}
		}, "not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filled(t)
			test.spoil(t, dir)
			for range 2 { // the first attempt must not change the result of the second
				e, err := pebble.Open(dir, pebble.Options{})
				if err == nil {
					_ = e.Close()
					t.Fatal("opened")
				}
				t.Log(err)
				if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("want the folder and %q", test.want)
				}
			}
		})
	}
}

func TestDamagedTableFailsOnlyReadsOfItsKeys(t *testing.T) {
	dir := filled(t)
	each(t, dir, "*.sst", flip)
	st := storetest.CloseAtEnd(t, store.New(folder(t, dir), store.Options{}))
	err := st.View(t.Context(), func(tx store.Tx) error {
		for _, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "checksum mismatch") {
		t.Errorf("a scan over the damaged table: %v", err)
	}
	if n := count(t, st, "k/2/49"); n != 700 {
		t.Errorf("a get of a key in another table: %d bytes", n)
	}
}

func TestCleanCloseLeavesNoLogToReplay(t *testing.T) {
	dir := filled(t)
	st := store.New(folder(t, dir), store.Options{})
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	each(t, dir, "*.log", os.Remove)
	st = storetest.CloseAtEnd(t, store.New(folder(t, dir), store.Options{}))
	if n := count(t, st, "k/2/49"); n != 700 {
		t.Errorf("%d bytes", n)
	}
}
