package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

// Reopen checks that the data survives when a store is closed and opened again. open opens the store in a
// folder; it is called several times for the same folder.
func Reopen(t *testing.T, open func(t testing.TB, dir string) store.Store) {
	dir := t.TempDir()
	want := make(map[string]string)
	var head store.Revision
	for round := range 4 {
		st := open(t, dir)
		if diff := cmp.Diff(want, contents(t, st)); diff != "" {
			t.Errorf("round %d (-want +got):\n%s", round, diff)
		}
		if got := currentRevision(t, st); got != head {
			t.Errorf("round %d: the newest revision is %d, want %d", round, got, head)
		}
		for i := range 20 {
			key, value := fmt.Sprintf("k/%d", (i*7+round)%30), fmt.Sprintf("%d of %d", i, round)
			head, want[key] = put(t, st, key, value), value
		}
		checkOldFeed(t, st, head)
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkOldFeed checks that the feed after a restart has no gap. It need not reach back before the restart.
func checkOldFeed(t *testing.T, st store.Store, head store.Revision) {
	t.Helper()
	at := head - 20
	for change, err := range st.Watch(t.Context(), "", at) {
		if err != nil || change.Revision != at+1 {
			t.Fatalf("revision %d follows %d, %v", change.Revision, at, err)
		}
		if at++; at == head {
			break
		}
	}
	if head == 20 {
		return
	}
	for change, err := range st.Watch(t.Context(), "", 0) {
		if err == nil && change.Revision != 1 || err != nil && !errors.Is(err, store.ErrCompacted) {
			t.Errorf("the feed from the beginning starts with %d, %v", change.Revision, err)
		}
		break
	}
}
