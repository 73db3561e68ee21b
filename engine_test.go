package midas_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"midas"
	"midas/internal/store"
)

// tiny is an engine that keeps every change in memory, and offers nothing but what Engine demands: no
// head, no notice of commits, and snapshots that are no Lister.
type tiny struct {
	mu      sync.Mutex
	changes []store.Change
	latest  map[string]store.Record
	more    chan struct{} // closed by the next commit, or by Close
	closed  bool
}

func newTiny() *tiny { return &tiny{latest: map[string]store.Record{}, more: make(chan struct{})} }

func (e *tiny) head() store.Revision {
	if len(e.changes) == 0 {
		return 0
	}
	return e.changes[len(e.changes)-1].Revision
}

func (e *tiny) Snapshot(ctx context.Context, _ int) (store.Snapshot, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return tinySnapshot{e.head(), maps.Clone(e.latest)}, ctx.Err()
}

func (e *tiny) Commit(ctx context.Context, c store.Commit) (store.Revision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, g := range c.Guards {
		if e.latest[g.Key].Revision != g.Revision {
			return 0, store.ErrConflict
		}
	}
	rev := e.head() + 1
	for _, w := range c.Writes {
		delete(e.latest, w.Key)
		if !w.Delete {
			e.latest[w.Key] = store.Record{Key: w.Key, Value: w.Value, Revision: rev}
		}
		e.changes = append(e.changes, store.Change{Key: w.Key, Value: w.Value, Revision: rev, Deleted: w.Delete})
	}
	close(e.more)
	e.more = make(chan struct{})
	return rev, nil
}

func (e *tiny) Watch(ctx context.Context, prefix string, after store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for seen := 0; ; {
			e.mu.Lock()
			fresh, more, closed := slices.Clone(e.changes[seen:]), e.more, e.closed
			e.mu.Unlock()
			seen += len(fresh)
			for _, c := range fresh {
				if c.Revision > after && strings.HasPrefix(c.Key, prefix) && !yield(c, nil) {
					return
				}
			}
			if closed {
				yield(store.Change{}, store.ErrClosed)
				return
			}
			select {
			case <-ctx.Done():
				yield(store.Change{}, ctx.Err())
				return
			case <-more:
			}
		}
	}
}

func (e *tiny) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	close(e.more)
	return nil
}

type tinySnapshot struct {
	revision store.Revision
	records  map[string]store.Record
}

func (s tinySnapshot) Revision() store.Revision     { return s.revision }
func (s tinySnapshot) Settle(context.Context) error { return nil }
func (s tinySnapshot) Close()                       {}

func (s tinySnapshot) Get(ctx context.Context, key string) (store.Record, error) {
	rec, found := s.records[key]
	if !found {
		return store.Record{}, errors.Join(store.ErrNotFound, ctx.Err())
	}
	return rec, ctx.Err()
}

func (s tinySnapshot) Scan(_ context.Context, r store.Range) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		keys := slices.Sorted(maps.Keys(s.records))
		if r.Reverse {
			slices.Reverse(keys)
		}
		shown := 0
		for _, key := range keys {
			past := r.After == "" || (key > r.After) != r.Reverse && key != r.After
			if !past || !strings.HasPrefix(key, r.Prefix) {
				continue
			}
			if shown++; !yield(s.records[key], nil) || shown == r.Limit {
				return
			}
		}
	}
}

// An engine without a cache, with a scheme of its own, runs a whole server.
func TestServerRunsOnAnotherEngine(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Ops = "test:", "127.0.0.1:0"
	engine := newTiny()
	s, err := midas.StartOn(t.Context(), cfg, func() (store.Engine, error) { return engine, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer shutdown(t, s)
	c := administrator(t, cfg.Data)
	token, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	group := "/subscriptions/" + c.SubscriptionID + "/resourceGroups/rg"
	identity := group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app?api-version=2023-01-31"
	for _, step := range []struct {
		method, path string
		want         int
	}{
		{"PUT", group + "?api-version=2021-04-01", 201}, {"PUT", identity, 201}, {"PUT", identity, 200}, {"GET", identity, 200},
		{"DELETE", identity, 200}, {"GET", identity, 404},
	} {
		header := http.Header{"Authorization": {"Bearer " + token}, "Content-Type": {"application/json"}}
		body := `{"location":"eastus"}`
		if step.method != "PUT" {
			body = ""
		}
		if status, answer := forwarded(t, c, step.method, c.Endpoint+step.path, body, header); status != step.want {
			t.Errorf("%s %s: %d %s", step.method, step.path, status, answer)
		}
	}
	if status, body := get(t, http.DefaultClient, s.OpsURL()+"/readyz"); status != 200 {
		t.Errorf("not ready: %d %s", status, body)
	}
	if _, body := get(t, http.DefaultClient, s.OpsURL()+"/metrics"); strings.Contains(body, "midas_store_cache") || !strings.Contains(body, "midas_http_requests_total") {
		t.Errorf("metrics: %s", body)
	}
	var dump strings.Builder
	if err := midas.Dump(t.Context(), quietOn(cfg), &dump); err != nil || !strings.Contains(dump.String(), `"d/`) {
		t.Errorf("dump: %v %.200s", err, dump.String())
	}
}

// quietOn is the configuration of a command that asks the server of cfg.
func quietOn(cfg midas.Config) midas.Config {
	cfg.Store = "" // the server knows
	return cfg
}

func TestStoreSettingIsChecked(t *testing.T) {
	for name, want := range map[string]string{
		"test:": `is neither "memory:" nor "pebble:" with a folder`, "etc://h/p": `is neither "memory:"`,
		"memory": `is not of the form "memory:"`, "memory:x": `is not of the form "memory:"`,
		"pebble:": `is not of the form "pebble:" with a folder`, "Pebble:x": `is not of the form "pebble:" with a folder`,
		"etcd:x": `is not of the form "etcd://" with HOST:PORT`, "ETCD://h/p": `is not of the form "etcd://" with HOST:PORT`,
		"postgres:x": `is not of the form "postgres://" with USER:PASSWORD@HOST`,
	} {
		cfg := quiet(t)
		cfg.Store = name
		_, err := midas.Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), `store: "`+name+`" `+want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPasswordsOfStoresAreNotShown(t *testing.T) {
	for name, want := range map[string]string{
		"memory:":                              "memory:",
		"pebble:/srv/a:b@c?d":                  "pebble:/srv/a:b@c?d",
		"etcd://h1:2379,h2:2379/midas?ca=/a@b": "etcd://h1:xxxxx@b", // rather too much than too little
		"etcd://h1:2379/midas?ca=a&tls=true":   "etcd://h1:2379/midas?ca=a&tls=true",
		"etcd://midas:secret@h1:2379/midas":    "etcd://midas:xxxxx@h1:2379/midas",
		"etcd://midas:sec/secret@h1/midas":     "etcd://midas:xxxxx@h1/midas",
		"etcd://midas:sec?secret@h1/midas":     "etcd://midas:xxxxx@h1/midas",
		"etcd://midas:se@cret@h1/midas":        "etcd://midas:xxxxx@h1/midas",
		"etcd:midas:secret@h1/midas":           "etcd:midas:xxxxx@h1/midas",
		"postgres://db/midas?user=a&password=secret&sslpassw%6frd=secret&sslmode=x": "postgres://db/midas?user=a&password=xxxxx&sslpassw%6frd=xxxxx&sslmode=x",
	} {
		if got := midas.StoreName(name); got != want || strings.Contains(got, "secret") {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"etcd:midas:secret@h1/midas", "etcds://midas:secret@h1/midas", "etcd://midas:sec/secret@h1/midas", "etcd://midas:%zzsecret@h1/midas"} {
		cfg := quiet(t)
		cfg.Store = name
		if _, err := midas.Start(t.Context(), cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
