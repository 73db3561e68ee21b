package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

type box struct {
	Name  string `json:"name,omitempty"`
	Color string `json:"color,omitempty"`

	revision store.Revision
}

var errNoBox = errors.New("no such box")

var boxes = store.Table[box]{
	Kind: store.Kind{Name: "box", Keys: "box/", Version: 3}, Missing: errNoBox,
	Complete: func(rec store.Record, v *box) error {
		if v.revision = rec.Revision; v.Name == "bad" {
			return errors.New("a bad box")
		}
		return nil
	},
	Migrate: []func(json.RawMessage) (json.RawMessage, error){
		func(old json.RawMessage) (json.RawMessage, error) { // version 1 had a title
			return json.RawMessage(strings.Replace(string(old), "title", "name", 1)), nil
		},
		func(old json.RawMessage) (json.RawMessage, error) { // version 2 had no color
			var fields map[string]any
			if err := json.Unmarshal(old, &fields); err != nil {
				return nil, err
			}
			fields["color"] = "grey"
			return json.Marshal(fields)
		},
	},
}

func memoryStore(t *testing.T) store.Store {
	t.Helper()
	engine, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(store.Cached(engine, 1<<20), store.Options{})
	t.Cleanup(func() { _ = st.Close() })
	return st
}

func update(t *testing.T, st store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if _, err := st.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func view(t *testing.T, st store.Store, fn func(tx store.Tx) error) {
	t.Helper()
	if err := st.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestTableWritesItsVersionAndReadsBack(t *testing.T) {
	st := memoryStore(t)
	update(t, st, func(tx store.Tx) error {
		if err := boxes.Put(tx, "box/a", box{Name: "a", Color: "red"}); err != nil {
			return err
		}
		if got, err := boxes.Get(tx, "box/a"); err != nil || got.Name != "a" {
			t.Errorf("its own write: %+v, %v", got, err)
		}
		return boxes.Put(tx, "box/empty", box{})
	})
	view(t, st, func(tx store.Tx) error {
		for key, want := range map[string]string{"box/a": `{"v":3,"name":"a","color":"red"}`, "box/empty": `{"v":3}`} {
			if rec, err := tx.Get(key); err != nil || string(rec.Value) != want {
				t.Errorf("%s: %s, %v", key, rec.Value, err)
			}
		}
		if got, err := boxes.Get(tx, "box/a"); err != nil || got != (box{"a", "red", 1}) {
			t.Errorf("%+v, %v", got, err)
		}
		for _, key := range []string{"box/none", "box/" + strings.Repeat("x", store.MaxKey)} {
			if _, err := boxes.Get(tx, key); !errors.Is(err, errNoBox) {
				t.Errorf("%.20s: %v", key, err)
			}
		}
		all, err := boxes.List(tx, store.Range{Prefix: "box/"})
		if err != nil || len(all) != 2 || all[0].Name != "a" {
			t.Errorf("%+v, %v", all, err)
		}
		n := 0
		for row, err := range boxes.Scan(tx, store.Range{Prefix: "box/"}) {
			if n++; err != nil || row.Key == "" || row.Data.revision != row.Revision {
				t.Errorf("%+v, %v", row, err)
			}
		}
		if n != 2 {
			t.Errorf("%d rows", n)
		}
		return nil
	})
}

func TestOlderRecordsAreMigratedOnRead(t *testing.T) {
	for value, want := range map[string]box{
		`{"v":1,"title":"a"}`:                     {Name: "a", Color: "grey"},
		`{"v":2,"name":"a"}`:                      {Name: "a", Color: "grey"},
		`{"v":3,"name":"a"}`:                      {Name: "a"},
		`{"name":"a","v":3}`:                      {Name: "a"}, // not written by a Table
		`{ "v": 2, "name": "a" }`:                 {Name: "a", Color: "grey"},
		"{\n\"v\":1 ,\n\"title\":\"a\"\n}":        {Name: "a", Color: "grey"},
		`{"v":3}`:                                 {},
		`{"v":1,"title":"a","color":"forgotten"}`: {Name: "a", Color: "grey"},
	} {
		if got, err := boxes.Decode(store.Record{Key: "box/a", Value: []byte(value)}); err != nil || got != want {
			t.Errorf("%s: %+v, %v", value, got, err)
		}
	}
}

func TestNewerAndDamagedRecordsAreErrors(t *testing.T) {
	for value, newer := range map[string]bool{
		`{"v":4,"name":"a"}`: true, `{"v":16777300}`: true, `{"name":"a","v":4}`: true, `{ "v" : 10 }`: true,
		`{"v":0}`: false, `{"v":-1}`: false, `{}`: false, ``: false, `{"v":`: false, `{"v":1`: false, `{"v":"1"}`: false,
		`{"v":,}`: false, `null`: false, `[]`: false, `{"v":3,"name":7}`: false, `{"v":3,"name":"bad"}`: false, `{"v":2,"name":`: false,
		`{"v":99999999999999999999999999}`: false,
	} {
		_, err := boxes.Decode(store.Record{Key: "box/a", Value: []byte(value)})
		if err == nil || errors.Is(err, store.ErrNewerVersion) != newer || !strings.Contains(err.Error(), `"box/a"`) || !strings.Contains(err.Error(), "box") {
			t.Errorf("%s: %v", value, err)
		}
		var details *store.NewerVersionError
		if newer && (!errors.As(err, &details) || details.Version < 4 || details.Known != 3 || details.Key != "box/a" || details.Kind != "box") {
			t.Errorf("%s: %+v", value, details)
		}
	}
}

// TestNewerRecordsAreRefusedByEveryRead tests all methods that read.
func TestNewerRecordsAreRefusedByEveryRead(t *testing.T) {
	st := memoryStore(t)
	update(t, st, func(tx store.Tx) error {
		tx.Put("box/a", []byte(`{"v":4,"name":"a"}`))
		return nil
	})
	var kept store.Decoded[box]
	reads := map[string]func(tx store.Tx) error{
		"get": func(tx store.Tx) error { _, err := boxes.Get(tx, "box/a"); return err },
		"version": func(tx store.Tx) error {
			rec, err := tx.Get("box/a")
			if err != nil {
				return err
			}
			_, err = boxes.Version(rec)
			return err
		},
		"shared": func(tx store.Tx) error { _, err := boxes.GetShared(tx, "box/a", &kept); return err },
		"list":   func(tx store.Tx) error { _, err := boxes.List(tx, store.Range{Prefix: "box/"}); return err },
		"scan": func(tx store.Tx) (last error) {
			for _, err := range boxes.Scan(tx, store.Range{Prefix: "box/"}) {
				last = err
			}
			return last
		},
	}
	for name, read := range reads {
		for range 2 {
			if err := st.View(context.Background(), read); !errors.Is(err, store.ErrNewerVersion) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestTablesHoldObjectsOnly(t *testing.T) {
	lists := store.Table[[]int]{Kind: store.Kind{Name: "list", Keys: "l/", Version: 1}}
	_, err := memoryStore(t).Update(context.Background(), func(tx store.Tx) error { return lists.Put(tx, "l/a", []int{1}) })
	if err == nil || !strings.Contains(err.Error(), "not an object") {
		t.Error(err)
	}
}

func TestDecodingAWarmRecordAllocatesNothing(t *testing.T) {
	st := memoryStore(t)
	update(t, st, func(tx store.Tx) error { return boxes.Put(tx, "box/a", box{Name: "a"}) })
	var kept store.Decoded[box]
	view(t, st, func(tx store.Tx) error {
		read := func() {
			if _, err := boxes.GetShared(tx, "box/a", &kept); err != nil {
				t.Error(err)
			}
		}
		read()
		if n := testing.AllocsPerRun(100, read); n != 0 {
			t.Errorf("%v allocations", n)
		}
		return nil
	})
}
