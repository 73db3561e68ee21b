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

// Kill checks that every acknowledged write is there after the process was killed without warning, in
// several rounds on one folder. It runs its own test binary as a child that writes and prints what was
// acknowledged; so it must be called by a test at the top level that does nothing else.
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

// runAndKill returns what a child has acknowledged; it is killed after so many lines, which is while it
// writes more.
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
			break // killed; what precedes the error is half a line
		}
		key, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "ack ")
		if !ok {
			t.Errorf("the child says %q", line)
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
		t.Fatalf("the child has ended by itself after %d writes", len(keys))
	}
	return keys
}

// checkAfterKill looks for the acknowledged pairs, for halves of pairs, and for a working store.
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
			t.Errorf("%s is there without its other half", stored)
		}
	}
	if head, want := currentRevision(t, st), store.Revision(len(all)/2); head != want {
		t.Errorf("the newest revision is %d after %d commits", head, want)
	}
}

func currentRevision(t *testing.T, st store.Store) store.Revision {
	t.Helper()
	rev, err := st.Update(t.Context(), func(store.Tx) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return rev
}
