package midas_test

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/store"
)

// TestCheckOfABusySharedStoreFindsNothing checks beside three replicas that write, and then finds what is broken. The
// copy that it makes is removed.
func TestCheckOfABusySharedStoreFindsNothing(t *testing.T) {
	open := followedStore(t)
	r := startReplicasOn(t, open)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	group := "/subscriptions/" + r.admins[0].SubscriptionID + "/resourceGroups/busy"
	token := r.token(t, 0)
	r.arm(t, 0, "PUT", group+"?api-version=2021-04-01", token)
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			id := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i" + string(rune('a'+i%20)) + "?api-version=2023-01-31"
			r.arm(t, i%3, []string{"PUT", "PUT", "DELETE"}[i%3], id, token)
		}
	}()
	for i := range 3 {
		if found := commanded(t, r.cfgs[i]); found != "" {
			t.Errorf("findings of replica %d: %s", i, found)
		}
	}
	stop()
	<-done
	engine, err := open()
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	if _, err := st.Update(t.Context(), func(tx store.Tx) error { tx.Put("zz/x", []byte("{}")); return nil }); err != nil {
		t.Fatal(err)
	}
	if found := commanded(t, r.cfgs[0]); !strings.Contains(found, "zz/x") {
		t.Errorf("findings: %s", found)
	}
	if left, err := filepath.Glob(filepath.Join(r.cfgs[0].Data, "check-*")); err != nil || len(left) > 0 {
		t.Errorf("the copy is still there: %v, %v", left, err)
	}
}

// commanded checks through the control socket of a server.
func commanded(t *testing.T, cfg midas.Config) string {
	t.Helper()
	c, err := control.Dial(t.Context(), datadir.Socket(cfg.Data))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Check(t.Context(), &out); err != nil {
		t.Error(err)
	}
	return out.String()
}

// TestNewerRecordsStopNoReplica writes records of a newer version of every kind beside a running replica. Requests that
// need them are refused with 503, and the server goes on.
func TestNewerRecordsStopNoReplica(t *testing.T) {
	open := followedStore(t)
	r := startReplicasOn(t, open)
	token := r.token(t, 0)
	subscription := "/subscriptions/" + r.admins[0].SubscriptionID
	group := subscription + "/resourceGroups/newer"
	r.arm(t, 0, "PUT", group+"?api-version=2021-04-01", token)
	engine, err := open()
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(engine, store.Options{})
	newer := func(prefix string) {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix, Limit: 50}) {
				if err != nil {
					return err
				}
				tx.Put(rec.Key, []byte(`{"v":99,"new":true}`))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	newer("r//subscriptions/" + strings.ToLower(r.admins[0].SubscriptionID) + "/resourcegroups/newer")
	soon(t, "503 of the group", func() bool {
		status, _ := r.arm(t, 1, "GET", group+"?api-version=2021-04-01", token)
		return status == 503
	})
	if status, body := r.arm(t, 1, "GET", subscription+"?api-version=2022-12-01", token); status != 200 {
		t.Errorf("another record: %d %s", status, body)
	}
	for _, prefix := range []string{"rp/", "jb/", "o/", "x/", "xr/", "rv", "h/", "d/"} {
		newer(prefix)
	}
	time.Sleep(50 * time.Millisecond) // for background work, which must survive it
	soon(t, "503 of everything", func() bool {
		status, _ := r.arm(t, 2, "GET", subscription+"?api-version=2022-12-01", token)
		return status == 503
	})
	for i, s := range r.servers {
		select {
		case <-s.Done():
			t.Errorf("replica %d has ended", i)
		default:
		}
	}
}
