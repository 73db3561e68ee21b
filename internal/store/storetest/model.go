package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"midas/internal/store"
)

// likeMap applies the same random operations to a store and to a map, and compares them.
func likeMap(t *testing.T, open func(t testing.TB) store.Store) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{st: open(t), state: make(map[string]entry)}
		rt.Repeat(map[string]func(*rapid.T){
			"update": m.update,
			"fail":   m.failingUpdate,
			"get":    m.get,
			"scan":   m.scan,
			"":       func(*rapid.T) {},
		})
		m.replay(rt)
		if err := m.st.Close(); err != nil {
			rt.Fatalf("close: %v", err)
		}
	})
}

type entry struct {
	value    string
	revision store.Revision
}

type model struct {
	st    store.Store
	state map[string]entry
	head  store.Revision
}

// There are few keys, so that operations meet on the same key. Their bytes are edge cases for engines.
var (
	someKey   = rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', '/', 0}), 1, 3, -1)
	somePart  = rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'b', '/', 0}), 0, 2, -1)
	someValue = rapid.StringN(0, 8, -1)
)

func (m *model) update(rt *rapid.T) {
	var next map[string]entry
	writes := drawWrites(rt)
	rev, err := m.st.Update(context.Background(), func(tx store.Tx) error {
		next = maps.Clone(m.state) // the function may run again
		for _, w := range writes {
			got, err := tx.Get(w.key)
			if e, ok := next[w.key]; ok != (err == nil) || ok && e.value != string(got.Value) {
				rt.Fatalf("get %q inside of an update: %v, %v, want %v", w.key, got, err, e)
			}
			if w.remove {
				tx.Delete(w.key)
				delete(next, w.key)
			} else {
				tx.Put(w.key, []byte(w.value))
				next[w.key] = entry{w.value, 0} // its revision is known after the commit
			}
		}
		return nil
	})
	if err != nil || rev < m.head || rev == m.head && len(writes) > 0 {
		rt.Fatalf("update: revision %d after %d, %v", rev, m.head, err)
	}
	for key, e := range next {
		if e.revision == 0 {
			next[key] = entry{e.value, rev}
		}
	}
	m.head, m.state = rev, next
}

func (m *model) failingUpdate(rt *rapid.T) {
	failure := errors.New("on purpose")
	writes := drawWrites(rt)
	_, err := m.st.Update(context.Background(), func(tx store.Tx) error {
		for _, w := range writes {
			tx.Put(w.key, []byte(w.value))
		}
		return failure
	})
	if err != failure {
		rt.Fatalf("update: %v", err)
	}
}

type modelWrite struct {
	key, value string
	remove     bool
}

func drawWrites(rt *rapid.T) []modelWrite {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) modelWrite {
		return modelWrite{someKey.Draw(rt, "key"), someValue.Draw(rt, "value"), rapid.IntRange(0, 3).Draw(rt, "remove") == 0}
	}), 0, 5).Draw(rt, "writes")
}

func (m *model) get(rt *rapid.T) {
	key := someKey.Draw(rt, "key")
	err := m.st.View(context.Background(), func(tx store.Tx) error {
		rec, err := tx.Get(key)
		want, ok := m.state[key]
		if got := (entry{string(rec.Value), rec.Revision}); ok != (err == nil) || ok && got != want {
			return fmt.Errorf("get %q: %v, %v, want %v", key, got, err, want)
		}
		return nil
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *model) scan(rt *rapid.T) {
	r := store.Range{
		Prefix:  somePart.Draw(rt, "prefix"),
		After:   somePart.Draw(rt, "after"),
		Limit:   rapid.IntRange(0, 3).Draw(rt, "limit"),
		Reverse: rapid.Bool().Draw(rt, "reverse"),
	}
	err := m.st.View(context.Background(), func(tx store.Tx) error {
		records, err := scanAll(tx, r)
		var got []string
		for _, rec := range records {
			got = append(got, rec.Key)
			if e := (entry{string(rec.Value), rec.Revision}); e != m.state[rec.Key] {
				return fmt.Errorf("scan %+v: %q is %v, want %v", r, rec.Key, e, m.state[rec.Key])
			}
		}
		if diff := cmp.Diff(wantScan(slices.Sorted(maps.Keys(m.state)), r), got); diff != "" {
			return fmt.Errorf("scan %+v (-want +got):\n%s", r, diff)
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// replay checks that the feed, from the beginning, leads to the same state.
func (m *model) replay(rt *rapid.T) {
	state := make(map[string]entry)
	end, err := m.st.Update(context.Background(), func(tx store.Tx) error { tx.Put("end", nil); return nil })
	if err != nil {
		rt.Fatal(err)
	}
	for change, err := range m.st.Watch(context.Background(), "", 0) {
		if err != nil {
			rt.Fatal(err)
		}
		if change.Revision == end {
			break
		}
		if change.Deleted {
			delete(state, change.Key)
		} else {
			state[change.Key] = entry{string(change.Value), change.Revision}
		}
	}
	if diff := cmp.Diff(m.state, state, cmp.AllowUnexported(entry{})); diff != "" {
		rt.Fatalf("the state rebuilt from the feed (-want +got):\n%s", diff)
	}
}
