//go:build e2e && cluster

package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/servertest"
	"midas/internal/store/storetest"
)

// A partition delays a commit whose connection the replica has given up and which it has made in another session.
// When the first session gets it at last, it must not undo what others have written since.
func TestACommitThatArrivesLateChangesNothing(t *testing.T) {
	server := servertest.Postgres(t)
	proxy := storetest.NewProxy(t, fmt.Sprintf("127.0.0.1:%d", server.Port))
	url := strings.Replace(server.URL(), fmt.Sprintf("127.0.0.1:%d", server.Port), proxy.Address, 1)
	late := openAt(t, url)
	storetest.CloseAtEnd(t, store.New(late, store.Options{}))
	other := storeAt(t, server.URL())
	write := func(value string) {
		t.Helper()
		if _, err := late.Commit(t.Context(), store.Commit{Writes: []store.Write{{Key: "k", Value: []byte(value)}}}); err != nil {
			t.Fatal(err)
		}
	}
	write("0")
	for range 3 {
		proxy.Hold()
		done := make(chan struct{})
		go func() { defer close(done); write("early") }()
		for end := time.Now().Add(time.Minute); proxy.Held() == 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("nothing was sent")
			}
		}
		proxy.Cut()
		<-done
		put(t, other, "k") // "x"
		proxy.Deliver()
		err := other.View(t.Context(), func(tx store.Tx) error {
			rec, err := tx.Get("k")
			if string(rec.Value) != "x" {
				t.Errorf("an acknowledged write was undone: %q", rec.Value)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
