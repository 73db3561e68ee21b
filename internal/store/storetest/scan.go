package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

// words returns all strings of one to three bytes, from the bytes that are edge cases for scans.
func words() []string {
	bytes := []string{"\x00", "/", "a", "\xff"}
	var all []string
	for _, a := range bytes {
		all = append(all, a)
		for _, b := range bytes {
			all = append(all, a+b)
			for _, c := range bytes {
				all = append(all, a+b+c)
			}
		}
	}
	return all
}

// wantScan returns the expected result of a scan of these sorted keys, by a simple implementation.
func wantScan(sorted []string, r store.Range) []string {
	keys := slices.Clone(sorted)
	if r.Reverse {
		slices.Reverse(keys)
	}
	var want []string
	for _, key := range keys {
		passed := r.After == "" || !r.Reverse && key > r.After || r.Reverse && key < r.After
		if strings.HasPrefix(key, r.Prefix) && passed && (r.Limit == 0 || len(want) < r.Limit) {
			want = append(want, key)
		}
	}
	return want
}

func scanRanges(t *testing.T, st store.Store) {
	var keys []string
	for i, word := range words() {
		if i%3 != 0 { // so that some bounds are keys and some are not
			keys = append(keys, word)
		}
	}
	slices.Sort(keys)
	for part := range slices.Chunk(keys, 50) {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			for _, key := range part {
				tx.Put(key, []byte("of "+key))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	bounds := append(words(), "", "\xff\xff\xff\xff", "\x00\x00\x00\x00", "zz")
	for _, prefix := range bounds {
		if len(prefix) == 3 && prefix[0] == 'a' { // two bytes are enough for this prefix
			continue
		}
		for range 2 { // the second time a cache may answer
			err := st.View(t.Context(), func(tx store.Tx) error {
				for _, after := range bounds {
					checkScans(t, tx, keys, prefix, after)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func checkScans(t *testing.T, tx store.Tx, keys []string, prefix, after string) {
	for _, limit := range []int{0, 1, 5} {
		for _, reverse := range []bool{false, true} {
			r := store.Range{Prefix: prefix, After: after, Limit: limit, Reverse: reverse}
			records, err := scanAll(tx, r)
			if err != nil {
				t.Fatalf("%+v: %v", r, err)
			}
			var got []string
			for _, rec := range records {
				got = append(got, rec.Key)
				if string(rec.Value) != "of "+rec.Key || rec.Revision == 0 {
					t.Errorf("%+v: record %+v", r, rec)
				}
			}
			if diff := cmp.Diff(wantScan(keys, r), got); diff != "" {
				t.Fatalf("%+v (-want +got):\n%s", r, diff)
			}
		}
	}
}

func scanNesting(t *testing.T, st store.Store) {
	for i := range 9 {
		put(t, st, fmt.Sprintf("n/%d/%d", i/3, i%3), "x")
	}
	for range 2 {
		var got []string
		err := st.View(t.Context(), func(tx store.Tx) error {
			got = nil
			for outer, err := range tx.Scan(store.Range{Prefix: "n/"}) {
				if err != nil {
					return err
				}
				for inner, err := range tx.Scan(store.Range{Prefix: outer.Key[:4], Reverse: true}) {
					if err != nil {
						return err
					}
					if _, err := tx.Get(outer.Key); err != nil {
						return err
					}
					got = append(got, outer.Key[2:]+" "+inner.Key[4:])
					break
				}
				if len(got) == 4 {
					break
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0/0 2", "0/1 2", "0/2 2", "1/0 2"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
