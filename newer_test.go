package midas_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// edit changes the store of a server that does not run.
func edit(t *testing.T, dir string, fn func(tx store.Tx) error) {
	t.Helper()
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	if _, err := st.Update(context.Background(), fn); err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// view reads the store of a server that does not run.
func view(t *testing.T, dir string, fn func(store.Store) error) {
	t.Helper()
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	if err := fn(st); err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// contents are the files of a data folder, but for those of the engine.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(name, filepath.Join(dir, "store")) || d.Name() == "lock" {
			return err
		}
		data, err := os.ReadFile(name)
		all.WriteString(name + ": " + string(data) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func dumped(t *testing.T, cfg midas.Config) string {
	t.Helper()
	var out bytes.Buffer
	if err := midas.Dump(context.Background(), cfg, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestStoreOfANewerMidasIsRefusedBeforeAnythingIsWritten: a start, and a command that writes, say which
// Midas it takes and change nothing. A dump only reads, and works.
func TestStoreOfANewerMidasIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	for name, format := range map[string]string{
		"format":          `{"v":1,"format":99,"versions":{},"program":"v9.9.9"}`,
		"kind":            `{"v":1,"format":1,"versions":{"role assignment":7},"program":"v9.9.9"}`,
		"format's format": `{"v":2,"program":"v9.9.9"}`,
	} {
		t.Run(name, func(t *testing.T) {
			cfg := quiet(t)
			cfg.Store = ""
			shutdown(t, start(t, cfg))
			edit(t, filepath.Join(cfg.Data, "store"), func(tx store.Tx) error { tx.Put("m/format", []byte(format)); return nil })
			before, files := dumped(t, cfg), contents(t, cfg.Data)
			_, err := midas.Start(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), "newer Midas") || !strings.Contains(err.Error(), "or a later one") {
				t.Errorf("start: %v", err)
			}
			if _, err := midas.RotateKeys(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "newer Midas") {
				t.Errorf("rotate: %v", err)
			}
			if after := dumped(t, cfg); after != before {
				t.Errorf("the store was changed:\n%s\n%s", before, after)
			}
			if contents(t, cfg.Data) != files {
				t.Error("the folder was changed")
			}
		})
	}
}

// TestStoreWithoutAFormatRecordIsUpgraded: stores without the note are those of the first version.
func TestStoreWithoutAFormatRecordIsUpgraded(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	shutdown(t, start(t, cfg))
	edit(t, filepath.Join(cfg.Data, "store"), func(tx store.Tx) error { tx.Delete("m/format"); return nil })
	shutdown(t, start(t, cfg))
	if !strings.Contains(dumped(t, cfg), `"key":"m/format"`) {
		t.Error("the next start has not noted the format")
	}
}

// TestEveryRecordOfAServerHasAKindAndItsVersion looks at what a start and a few commands have written.
func TestEveryRecordOfAServerHasAKindAndItsVersion(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	shutdown(t, start(t, cfg))
	edit(t, filepath.Join(cfg.Data, "store"), func(tx store.Tx) error {
		n := 0
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			n++
			kind, known := store.KindOf(rec.Key)
			if !known || kind.Version > 0 && !strings.HasPrefix(string(rec.Value), fmt.Sprintf(`{"v":%d`, kind.Version)) {
				t.Errorf("%s (%s): %.20s", rec.Key, kind.Name, rec.Value)
			}
		}
		if n < 20 {
			t.Errorf("only %d records", n)
		}
		return nil
	})
}
