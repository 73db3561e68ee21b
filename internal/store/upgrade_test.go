package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// two returns two stores over one engine, as two replicas have them.
func two(t *testing.T) (a, b store.Store) {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	return store.New(engine, store.Options{}), store.New(engine, store.Options{})
}

// label is the record that two releases know in different versions.
type label struct {
	Name string `json:"name"`
	Long string `json:"long,omitempty"`
}

var (
	oldLabels = store.Table[label]{Kind: store.Kind{Name: "user", Keys: "label/", Version: 1}}
	newLabels = store.Table[label]{
		Kind:    store.Kind{Name: "user", Keys: "label/", Version: 2},
		Migrate: []func(json.RawMessage) (json.RawMessage, error){func(old json.RawMessage) (json.RawMessage, error) { return old, nil }},
		Revert: []func(json.RawMessage) (json.RawMessage, error){func(json.RawMessage) (json.RawMessage, error) {
			return json.RawMessage(`{"name":"reverted"}`), nil
		}},
	}
	hasty = store.Table[label]{Kind: newLabels.Kind} // its developer has forgotten Revert
)

func claimed(t *testing.T, st store.Store, versions map[string]int) *store.Upgrade {
	t.Helper()
	u, err := store.ClaimSharedAs(t.Context(), st, "v9", versions)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func step(t *testing.T, u *store.Upgrade, others ...store.Versions) string {
	t.Helper()
	raised, err := u.Step(t.Context(), func(store.Tx) ([]store.Versions, error) { return others, nil })
	if err != nil {
		t.Fatal(err)
	}
	return raised
}

func TestNewVersionsAreWrittenWhenAllReplicasKnowThem(t *testing.T) {
	older, newer := two(t)
	claimed(t, older, nil)
	up := claimed(t, newer, map[string]int{"user": 2})
	if got := up.Ahead(); got.Kinds["user"] != 2 || len(got.Kinds) != 1 {
		t.Errorf("ahead %+v", got)
	}
	put := func(table *store.Table[label]) error {
		_, err := newer.Update(t.Context(), func(tx store.Tx) error { return table.Put(tx, "label/a", label{Name: "a", Long: "b"}) })
		return err
	}
	if err := put(&newLabels); err != nil {
		t.Fatal(err)
	}
	if err := put(&hasty); !errors.Is(err, store.ErrOlderReplica) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a record that the older replica cannot read: %v", err)
	}
	if got, err := oldLabels.Load(t.Context(), older, "label/a"); err != nil || got.Name != "reverted" {
		t.Errorf("the older replica reads %+v, %v", got, err)
	}
	if raised := step(t, up, store.Versions{}); raised != "" {
		t.Errorf("raised beside an older replica: %s", raised)
	}
	claimed(t, older, nil) // it can start again
	if raised := step(t, up, up.Ahead()); raised != "user 2" {
		t.Errorf("raised %q", raised)
	}
	if err := put(&newLabels); err != nil {
		t.Fatal(err)
	}
	if got, err := newLabels.Load(t.Context(), newer, "label/a"); err != nil || got.Long != "b" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := oldLabels.Load(t.Context(), older, "label/a"); !errors.Is(err, store.ErrNewerVersion) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("the older replica reads the newer record: %v", err)
	}
	if _, err := store.ClaimShared(t.Context(), older, "v1"); !errors.Is(err, store.ErrNewerVersion) {
		t.Errorf("an older replica starts: %v", err)
	}
}

// TestVersionsAreNotRaisedWhileReplicasBegin checks that a replica which has just begun is waited for, because its record
// may not be there yet.
func TestVersionsAreNotRaisedWhileReplicasBegin(t *testing.T) {
	older, newer := two(t)
	claimed(t, older, nil)
	up := claimed(t, newer, map[string]int{"user": 2})
	store.SettleAfter(up, time.Hour)
	if raised := step(t, up); raised != "" {
		t.Errorf("raised %s", raised)
	}
}

func TestActiveSaysWhetherAllReplicasKnowAKind(t *testing.T) {
	older, newer := two(t)
	claimed(t, older, nil)
	up := claimed(t, newer, map[string]int{"gadget": 1, "user": 2})
	active := func(kind store.Kind) (is bool) {
		_ = newer.View(context.Background(), func(tx store.Tx) error { is = store.Active(tx, kind); return nil })
		return is
	}
	gadget := store.Kind{Name: "gadget", Version: 1}
	if active(gadget) || active(newLabels.Kind) || !active(store.GroupKind) {
		t.Error("beside an older replica")
	}
	step(t, up)
	if !active(gadget) || !active(newLabels.Kind) {
		t.Error("after the upgrade")
	}
}

// person has all forms of fields.
type person struct {
	Name    string            `json:"name,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	Address *address          `json:"address,omitempty"`
	Born    time.Time         `json:"born,omitzero"`
	Raw     json.RawMessage   `json:"raw,omitempty"`
	List    []address         `json:"list,omitempty"`
	Keys    []credential      `json:"keys,omitempty"`
	Places  map[string]place  `json:"places,omitempty"`
	address
	Hidden string `json:"-"`
}

type credential struct {
	ID    string    `json:"id"`
	Hint  string    `json:"hint,omitempty"`
	Where []address `json:"where,omitempty"`
}

type place struct {
	City string `json:"city"`
}

type address struct {
	Street string `json:"street,omitempty"`
	Place  struct {
		City string `json:"city,omitempty"`
	} `json:"place,omitzero"`
}

var people = store.Table[person]{Kind: store.Kind{Name: "person", Keys: "p/", Version: 2}}

// TestFieldsOfANewerMidasSurviveAChange has records that a newer release with the same versions has written.
func TestFieldsOfANewerMidasSurviveAChange(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"at the top":           {`{"v":2,"name":"a","new":{"x":[1,"}"]}}`, `{"v":2,"name":"b","new":{"x":[1,"}"]}}`},
		"inside":               {`{"v":2,"name":"a","address":{"street":"s","new":1,"place":{"zip":"7"}}}`, `{"v":2,"name":"b","address":{"street":"s","new":1,"place":{"zip":"7"}}}`},
		"beside embedded ones": {`{"v":2,"name":"a","street":"s","place":{"city":"c","zip":"\\\""},"Hidden":7}`, `{"v":2,"name":"b","street":"s","place":{"city":"c","zip":"\\\""},"Hidden":7}`},
		"of an older version":  {`{"v":1,"name":"a","secret":"x"}`, `{"v":2,"name":"b"}`},
		"written differently":  {"{ \"new\" : [ {} ] ,\n\"v\":2, \"name\" : \"a\" }", `{"v":2,"name":"b","new":[ {} ]}`},
		"none":                 {`{"v":2,"name":"a","raw":{"x":1}}`, `{"v":2,"name":"b","raw":{"x":1}}`},
	} {
		table := people
		table.Migrate = []func(json.RawMessage) (json.RawMessage, error){func(json.RawMessage) (json.RawMessage, error) { return json.RawMessage(`{"name":"a"}`), nil }}
		if got := change(t, &table, c.before, func(p *person) { p.Name = "b" }); got != c.after {
			t.Errorf("%s: %s, want %s", name, got, c.after)
		}
	}
}

// TestFieldsInListsAndMapsSurviveAChange has elements that a newer release has written, which are removed, changed,
// moved, copied and added.
func TestFieldsInListsAndMapsSurviveAChange(t *testing.T) {
	for name, c := range map[string]struct {
		before, after string
		fn            func(*person)
	}{
		"an element with an id is changed": {`{"v":2,"keys":[{"id":"a","new":1},{"id":"b","new":2}]}`, `{"v":2,"keys":[{"id":"a","new":1},{"id":"b","hint":"h","new":2}]}`, func(p *person) { p.Keys[1].Hint = "h" }},
		"the first one is removed":         {`{"v":2,"keys":[{"id":"a","new":1},{"new":"]}","id":"b"} , {"id":"c"}]}`, `{"v":2,"keys":[{"id":"b","new":"]}"},{"id":"c"}]}`, func(p *person) { p.Keys = p.Keys[len(p.Keys)-2:] }},
		"they are moved, and one is added": {`{"v":2,"keys":[{"id":"a","new":1},{"id":"b","new":2}]}`, `{"v":2,"keys":[{"id":"b","new":2},{"id":"c"},{"id":"a","new":1}]}`, func(p *person) {
			p.Keys = []credential{{ID: "b"}, {ID: "c"}, {ID: "a"}}
		}},
		"something else is changed": {`{"v":2,"list":[{"street":"s","new":[{}]}],"keys":[{"id":"a","new":1}]}`, `{"v":2,"name":"b","list":[{"street":"s","new":[{}]}],"keys":[{"id":"a","new":1}]}`, func(p *person) { p.Name = "b" }},
		"another one without an id": {`{"v":2,"list":[{"street":"s","new":1},{"street":"t","new":2}]}`, `{"v":2,"list":[{"street":"s","new":1},{"street":"u"}]}`, func(p *person) { p.List[1].Street = "u" }},
		"no copy gets it":           {`{"v":2,"list":[{"street":"s","new":1}]}`, `{"v":2,"list":[{"street":"s","new":1},{"street":"s"}]}`, func(p *person) { p.List = []address{{Street: "s"}, {Street: "s"}} }},
		"in a list of a list":       {`{"v":2,"keys":[{"id":"a","where":[{"street":"s","place":{"zip":"7"}}],"new":1}]}`, `{"v":2,"keys":[{"id":"a","hint":"h","where":[{"street":"s","place":{"zip":"7"}}],"new":1}]}`, func(p *person) { p.Keys[0].Hint = "h" }},
		"in a map":                  {`{"v":2,"places":{"x":{"city":"c","new":1},"y":{"city":"d","new":2}}}`, `{"v":2,"places":{"x":{"city":"e","new":1},"z":{"city":"f"}}}`, func(p *person) { p.Places = map[string]place{"x": {"e"}, "z": {"f"}} }},
		"all are removed":           {`{"v":2,"keys":[{"id":"a","new":1}],"places":{"x":{"city":"c","new":1}}}`, `{"v":2}`, func(p *person) { p.Keys, p.Places = nil, nil }},
	} {
		if got := change(t, &people, c.before, c.fn); got != c.after {
			t.Errorf("%s: %s, want %s", name, got, c.after)
		}
	}
}

// TestFieldsThatAreKnownAreRemoved checks that only unknown fields stay.
func TestFieldsThatAreKnownAreRemoved(t *testing.T) {
	before := `{"v":2,"name":"a","tags":{"x":"1","y":"2"},"address":{"street":"s"},"born":"2020-01-01T00:00:00Z","raw":{"x":1},"list":[{"street":"s","new":1}],"new":1}`
	got := change(t, &people, before, func(p *person) {
		delete(p.Tags, "y")
		p.Name, p.Address, p.Born, p.Raw = "", nil, time.Time{}, nil
	})
	if want := `{"v":2,"tags":{"x":"1"},"list":[{"street":"s","new":1}],"new":1}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// change changes a record twice in one transaction, and returns it.
func change(t *testing.T, table *store.Table[person], before string, fn func(*person)) string {
	t.Helper()
	st := memoryStore(t)
	update(t, st, func(tx store.Tx) error { tx.Put("p/a", []byte(before)); return nil })
	update(t, st, func(tx store.Tx) error {
		for range 2 {
			p, err := table.Get(tx, "p/a")
			if err != nil {
				return err
			}
			fn(&p)
			if err := table.Put(tx, "p/a", p); err != nil {
				return err
			}
		}
		return nil
	})
	var got string
	view(t, st, func(tx store.Tx) error { rec, err := tx.Get("p/a"); got = string(rec.Value); return err })
	if !json.Valid([]byte(got)) {
		t.Errorf("no JSON: %s", got)
	}
	return got
}

func TestAReplacedRecordKeepsNothing(t *testing.T) {
	st := memoryStore(t)
	update(t, st, func(tx store.Tx) error { tx.Put("p/a", []byte(`{"v":2,"new":1}`)); return nil })
	update(t, st, func(tx store.Tx) error {
		if _, err := tx.Get("p/a"); err != nil {
			return err
		}
		tx.Delete("p/a")
		return people.Put(tx, "p/a", person{Name: "b"})
	})
	view(t, st, func(tx store.Tx) error {
		if rec, err := tx.Get("p/a"); err != nil || string(rec.Value) != `{"v":2,"name":"b"}` {
			t.Errorf("%s, %v", rec.Value, err)
		}
		return nil
	})
}
