package storetest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"midas/internal/store"
)

const killVariable = "MIDAS_STORETEST_KILL"

// Kill checks that every acknowledged write is in the store after the process was killed, in several rounds
// on one folder. It runs its own test binary as a child that writes and prints the acknowledged writes, so it
// must be called by a top-level test that does nothing else.
func Kill(t *testing.T, open func(t testing.TB, dir string) store.Store) {
	if dir := os.Getenv(killVariable); dir != "" {
		writeUntilKilled(t, open(t, dir))
		return
	}
	dir := t.TempDir()
	acknowledged := make(map[string]bool)
	for round := range 6 {
		for _, key := range runAndKill(t, dir, rand.IntN(1500)) {
			acknowledged[key] = true
		}
		st := open(t, dir)
		checkAfterKill(t, st, acknowledged)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged writes are there", round, len(acknowledged))
	}
}

// writeUntilKilled writes pairs of keys from several goroutines. A pair is one transaction.
func writeUntilKilled(t *testing.T, st store.Store) {
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d/%d/%d", os.Getpid(), w, i)
				_, err := st.Update(context.Background(), func(tx store.Tx) error {
					tx.Put("record/"+key, []byte(strings.Repeat(key, 20)))
					tx.Put("index/"+key, []byte(key))
					return nil
				})
				if err != nil {
					fmt.Printf("failed %v\n", err)
					os.Exit(3)
				}
				fmt.Printf("ack %s\n", key) // one write, so lines do not mix
			}
		}()
	}
	select {}
}

// runAndKill runs a child, kills it after the given number of lines, while it still writes, and returns the
// keys that the child has acknowledged.
func runAndKill(t *testing.T, dir string, after int) []string {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	child.Env = append(os.Environ(), killVariable+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var keys []string
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // the child was killed, so the data before the error may be an incomplete line
		}
		key, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ack ")
		if !ok {
			t.Errorf("the child printed %q", line)
			break
		}
		if keys = append(keys, key); len(keys) == after+1 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait() // it was killed, which Wait calls an error
	if len(keys) <= after {
		t.Fatalf("the child ended before it was killed, after %d writes", len(keys))
	}
	return keys
}

// checkAfterKill checks that the store has all acknowledged pairs and no incomplete pair, and that it works.
func checkAfterKill(t *testing.T, st store.Store, acknowledged map[string]bool) {
	t.Helper()
	all := contents(t, st)
	for key := range acknowledged {
		if all["record/"+key] != strings.Repeat(key, 20) || all["index/"+key] != key {
			t.Errorf("the acknowledged write %s is lost", key)
		}
	}
	for stored := range all {
		kind, key, _ := strings.Cut(stored, "/")
		other := map[string]string{"record": "index/", "index": "record/"}[kind]
		if _, ok := all[other+key]; !ok {
			t.Errorf("%s is in the store, the other key of its pair is not", stored)
		}
	}
	// Nobody else writes to the database, so even an engine that may skip revisions has none to skip after the first.
	// Commits of one revision are whole, and their number is not greater than that of the pairs.
	first, revisions := revisionsOf(t, st)
	if got, want := currentRevision(t, st)-first+1, store.Revision(revisions); got != want || revisions > len(all)/2 {
		t.Errorf("there are %d revisions from %d on, and %d of %d records", got, first, want, len(all))
	}
}

// revisionsOf returns the lowest revision of a record and the number of different ones.
func revisionsOf(t *testing.T, st store.Store) (first store.Revision, count int) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		different := make(map[store.Revision]bool)
		records, err := scanAll(tx, store.Range{})
		for i, rec := range records {
			if i == 0 || rec.Revision < first {
				first = rec.Revision
			}
			different[rec.Revision] = true
		}
		count = len(different)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return first, count
}

func currentRevision(t *testing.T, st store.Store) store.Revision {
	t.Helper()
	rev, err := st.Update(t.Context(), func(store.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
