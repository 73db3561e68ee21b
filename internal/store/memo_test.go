package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"midas/internal/store"
	"midas/internal/store/storetest"
)

// joined is a Memo of the texts of all records below a prefix and of one key beside it.
type joined struct {
	store.Memo[*string]
	computed int
}

func newJoined(name string) *joined {
	return &joined{Memo: store.Memo[*string]{Name: name, Size: func(s *string) int { return len(*s) }}}
}

func (j *joined) of(tx store.Tx, prefix string) (*string, error) {
	return j.Of(tx, prefix, nil, func(tx store.Tx) (*string, error) {
		j.computed++
		return join(tx, prefix)
	})
}

func join(tx store.Tx, prefix string) (*string, error) {
	var text strings.Builder
	for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "%s=%s ", rec.Key, rec.Value)
	}
	switch rec, err := tx.Get("beside/" + prefix); {
	case err == nil:
		fmt.Fprintf(&text, "beside=%s", rec.Value)
	case !errors.Is(err, store.ErrNotFound):
		return nil, err
	}
	result := text.String()
	return &result, nil
}

// read returns the value of a prefix in a view.
func (j *joined) read(t testing.TB, st store.Store, prefix string) (text string) {
	t.Helper()
	err := st.View(t.Context(), func(tx store.Tx) error {
		value, err := j.of(tx, prefix)
		if err == nil {
			text = *value
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMemoComputesAValueOnceUntilACommitChangesAPart(t *testing.T) {
	for _, tc := range []struct {
		write string
		again bool
	}{
		{"a/1", true}, {"a/new", true}, {"beside/a/", true}, {"b/1", false}, {"beside/b/", false}, {"a", false},
	} {
		t.Run(tc.write, func(t *testing.T) {
			st, _, _ := newCached(t, 1<<20)
			put(t, st, "a/1", "a/2", "b/1")
			j := newJoined("joined")
			first := j.read(t, st, "a/")
			if second := j.read(t, st, "a/"); second != first || j.computed != 1 {
				t.Fatalf("computed %d times: %q, then %q", j.computed, first, second)
			}
			put(t, st, tc.write)
			j.read(t, st, "a/")
			if again := j.computed > 1; again != tc.again {
				t.Errorf("computed again: %t, want %t", again, tc.again)
			}
		})
	}
}

func TestMemosWithOneKeyAreApart(t *testing.T) {
	st, _, _ := newCached(t, 1<<20)
	put(t, st, "a/1")
	same := [2]*joined{newJoined("joined"), newJoined("joined")}
	var lengths store.Memo[int]
	lengths.Name, lengths.Size = "lengths", func(int) int { return 8 }
	for range 3 {
		if a, b := same[0].read(t, st, "a/"), same[1].read(t, st, "a/"); a != b {
			t.Fatalf("got %q and %q", a, b)
		}
		err := st.View(t.Context(), func(tx store.Tx) error {
			n, err := lengths.Of(tx, "a/", nil, func(tx store.Tx) (int, error) {
				_, err := tx.Get("a/1")
				return 7, err
			})
			if n != 7 {
				t.Errorf("got %d", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestMemoDoesNotKeepWhatNothingEnds computes values from reads that are not cached, from none, and with an error.
func TestMemoDoesNotKeepWhatNothingEnds(t *testing.T) {
	errFailed := errors.New("failed")
	for name, compute := range map[string]func(store.Tx) (int, error){
		"uncached scan":   func(tx store.Tx) (int, error) { _, err := tx.Records(store.Range{Prefix: "a"}); return 0, err },
		"no read":         func(store.Tx) (int, error) { return 0, nil },
		"unfinished scan": func(tx store.Tx) (int, error) { return first(tx) },
		"error": func(tx store.Tx) (int, error) {
			_, err := tx.Get("a/1")
			return 0, errors.Join(err, errFailed)
		},
		"inner value that is not kept": func(tx store.Tx) (int, error) {
			if _, err := tx.Get("a/1"); err != nil {
				return 0, err
			}
			inner := store.Memo[int]{Name: "inner", Size: func(int) int { return 8 }}
			return inner.Of(tx, "x", nil, first)
		},
	} {
		t.Run(name, func(t *testing.T) {
			st, _, _ := newCached(t, 1<<20)
			put(t, st, "a/1", "a/2")
			m, computed := store.Memo[int]{Name: "m", Size: func(int) int { return 8 }}, 0
			for range 2 {
				err := st.View(t.Context(), func(tx store.Tx) error {
					_, err := m.Of(tx, "key", nil, func(tx store.Tx) (int, error) {
						computed++
						return compute(tx)
					})
					return err
				})
				if err != nil && !errors.Is(err, errFailed) {
					t.Fatal(err)
				}
			}
			if computed != 2 {
				t.Errorf("computed %d times, want 2", computed)
			}
		})
	}
}

// first reads only the first record of a scan.
func first(tx store.Tx) (int, error) {
	for _, err := range tx.Scan(store.Range{Prefix: "a/"}) {
		return 0, err
	}
	return 0, nil
}

func TestValueThatDoesNotFitIsReplaced(t *testing.T) {
	st, _, _ := newCached(t, 1<<20)
	put(t, st, "a/1")
	m, computed := newMemoOf("m"), 0
	for _, want := range []string{"x", "x", "y", "y", "x"} {
		err := st.View(t.Context(), func(tx store.Tx) error {
			got, err := m.Of(tx, "key", func(v string) bool { return v == want }, func(tx store.Tx) (string, error) {
				computed++
				_, err := tx.Get("a/1")
				return want, err
			})
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if computed != 3 {
		t.Errorf("computed %d times, want 3", computed)
	}
}

// TestMemoInAnUpdateReadsAsAScanDoes checks that the value has neither the transaction's own writes, which other
// transactions would see before the commit, nor guards.
func TestMemoInAnUpdateReadsAsAScanDoes(t *testing.T) {
	for _, kept := range []bool{false, true} {
		st, _, _ := newCached(t, 1<<20)
		put(t, st, "a/1")
		j, attempts := newJoined("joined"), 0
		if kept {
			j.read(t, st, "a/")
		}
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			attempts++
			tx.Put("beside/a/", []byte("own"))
			text, err := j.of(tx, "a/")
			if err == nil && strings.Contains(*text, "own") {
				t.Errorf("kept %t: the value has an uncommitted write: %q", kept, *text)
			}
			if attempts == 1 {
				put(t, st, "a/2")
			}
			return err
		})
		if err != nil || attempts != 1 {
			t.Fatalf("kept %t: %d attempts, %v", kept, attempts, err)
		}
		if got := j.read(t, st, "a/"); !strings.Contains(got, "own") || !strings.Contains(got, "a/2") {
			t.Errorf("kept %t: after the commit: %q", kept, got)
		}
	}
}

func TestHitOfAMemoAllocatesNothing(t *testing.T) {
	st, _, _ := newCached(t, 1<<20)
	put(t, st, "a/1")
	j := newJoined("joined")
	err := st.View(t.Context(), func(tx store.Tx) error {
		for range 10 { // beyond the first array of the reads
			if _, err := j.of(tx, "a/"); err != nil {
				return err
			}
		}
		if n := testing.AllocsPerRun(100, func() { _, _ = j.Of(tx, "a/", nil, nil) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMemoIsExact makes random writes and compares each value, also those that contain others, with one that is
// computed without a Memo. The small cache evicts often.
func TestMemoIsExact(t *testing.T) {
	for _, bytes := range []int64{3 << 10, 1 << 20} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			st, _, _ := newCached(t, bytes)
			inner, outer := newJoined("inner"), newJoined("outer")
			rapid.Check(t, func(rt *rapid.T) {
				key := rapid.SampledFrom([]string{"a/1", "a/2", "b/1", "b/2", "beside/a/", "beside/b/", "c/1"})
				for range rapid.IntRange(1, 12).Draw(rt, "steps") {
					if rapid.Bool().Draw(rt, "write") {
						write(t, st, key.Draw(rt, "key"), rapid.StringMatching("[a-z]{0,3}").Draw(rt, "value"))
					}
					compareMemos(rt, t, st, inner, outer)
				}
			})
		})
	}
}

func write(t *testing.T, st store.Store, key, value string) {
	t.Helper()
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		if value == "" {
			tx.Delete(key)
		} else {
			tx.Put(key, []byte(value))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compareMemos(rt *rapid.T, t *testing.T, st store.Store, inner, outer *joined) {
	err := st.View(t.Context(), func(tx store.Tx) error {
		got, err := outer.Of(tx, "both", nil, func(tx store.Tx) (*string, error) {
			a, err := inner.of(tx, "a/")
			if err != nil {
				return nil, err
			}
			b, err := inner.of(tx, "b/")
			if err != nil {
				return nil, err
			}
			both := *a + *b
			return &both, nil
		})
		if err != nil {
			return err
		}
		a, err := join(tx, "a/")
		if err != nil {
			return err
		}
		b, err := join(tx, "b/")
		if err == nil && *got != *a+*b {
			rt.Fatalf("got %q, want %q", *got, *a+*b)
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
}

// TestMemoShowsOneRevision writes two keys together while readers compare the values of two Memos in one view.
func TestMemoShowsOneRevision(t *testing.T) {
	st := storetest.Memory(t)
	var ended sync.WaitGroup
	done := make(chan struct{})
	a, b := newMemoOf("a"), newMemoOf("b")
	for range 3 {
		ended.Go(func() {
			last := ""
			for {
				select {
				case <-done:
					return
				default:
				}
				last = readBoth(t, st, a, b, last)
			}
		})
	}
	for i := range 300 {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			tx.Put("a/1", fmt.Appendf(nil, "%08d", i))
			tx.Put("b/1", fmt.Appendf(nil, "%08d", i))
			return nil
		})
		if err != nil {
			t.Error(err)
			break
		}
		readBoth(t, st, a, b, fmt.Sprintf("%08d", i)) // the next read sees the write
	}
	close(done)
	ended.Wait()
}

func newMemoOf(name string) *store.Memo[string] {
	return &store.Memo[string]{Name: name, Size: func(s string) int { return len(s) }}
}

// readBoth reads both values and returns them. They must be equal and not before last.
func readBoth(t *testing.T, st store.Store, a, b *store.Memo[string], last string) string {
	value := func(prefix string) func(store.Tx) (string, error) {
		return func(tx store.Tx) (string, error) {
			records, err := tx.Records(store.Range{Prefix: prefix})
			if err != nil || len(records) == 0 {
				return "", err
			}
			return string(records[0].Value), nil
		}
	}
	var x, y string
	err := st.View(t.Context(), func(tx store.Tx) (err error) {
		if x, err = a.Of(tx, "key", nil, value("a/")); err != nil {
			return err
		}
		y, err = b.Of(tx, "key", nil, value("b/"))
		return err
	})
	if err != nil || x != y || x < last {
		t.Errorf("got %q and %q after %q: %v", x, y, last, err)
	}
	return x
}
