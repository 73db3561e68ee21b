package midas_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/internal/backup"
	"midas/internal/store"
	"midas/internal/store/pebble"
)

// restoreProcess names the folder into which the process of a test restores.
const restoreProcess = "MIDAS_TEST_RESTORE"

// TestRestoreSurvivesKill kills a process that restores, at several moments. Each time no server starts on the store, or
// the restore has ended; the same restore again gives the same records.
func TestRestoreSurvivesKill(t *testing.T) {
	if folder := os.Getenv(restoreProcess); folder != "" {
		_, err := midas.Restore(t.Context(), midas.Config{Data: folder}, os.Getenv(restoreProcess+"_FILE"), midas.RestoreOptions{Progress: func(midas.BackupSummary) {
			fmt.Println("progress")
		}})
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	file := filepath.Join(t.TempDir(), "large.backup") // not in the process that is killed, which would leave the folder
	want := writeLarge(t, file)
	cfg := durable(t)
	for killed := 0; killed < 4; killed++ {
		restoreAndKill(t, cfg, file, 17+3*killed) // the check of the file says progress 15 times
		_, err := midas.Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), store.ErrRestoring.Error()) {
			t.Fatalf("killed %d times: a server starts, or %v", killed+1, err)
		}
	}
	if _, err := midas.Restore(t.Context(), cfg, file, midas.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	view(t, filepath.Join(cfg.Data, "store"), func(st store.Store) error {
		var again bytes.Buffer
		if err := backup.Write(t.Context(), st, false, backup.Header{Created: want.created}, &again); err != nil {
			return err
		}
		found, err := backup.Copy(io.Discard, &again, nil)
		if found.Records != want.records+1 { // and the record of the restore
			t.Errorf("%d records, want %d", found.Records, want.records+1)
		}
		return err
	})
}

// restoreAndKill starts a restore in a process of its own and kills it after so many reports of its progress.
func restoreAndKill(t *testing.T, cfg midas.Config, file string, after int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRestoreSurvivesKill$")
	cmd.Env = append(os.Environ(), restoreProcess+"="+cfg.Data, restoreProcess+"_FILE="+file)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	part := make([]byte, 512)
	for strings.Count(said.String(), "progress") < after {
		n, err := out.Read(part)
		said.Write(part[:n])
		if err != nil {
			t.Fatalf("the restore has ended: %s", said.String())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
}

// large is what writeLarge has written.
type large struct {
	created time.Time
	records int
}

// writeLarge writes a backup with many records.
func writeLarge(t *testing.T, file string) large {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	defer st.Close()
	const groups = 600
	for i := range groups {
		if _, err := st.Update(t.Context(), func(tx store.Tx) error {
			for j := range 100 {
				tx.Put(fmt.Sprintf("t/type/%04d/%03d", i, j), []byte(strings.Repeat("x", 200)))
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	created := time.Now().UTC()
	var out bytes.Buffer
	if err := backup.Write(t.Context(), st, false, backup.Header{Created: created, MasterKey: "0123456789abcdef"}, &out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return large{created, groups * 100}
}
