package recent_test

import (
	"testing"

	"pgregory.net/rapid"

	"midas/internal/recent"
)

// TestCacheKeepsTheLastUsedValues compares the cache with a plain list.
func TestCacheKeepsTheLastUsedValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(2, 12).Draw(t, "limit")
		r := recent.Cache[int, int]{Limit: limit}
		values, used := map[int]int{}, []int{} // used has each key once, in the order of use
		touch := func(key int) {
			for i, k := range used {
				if k == key {
					used = append(used[:i], used[i+1:]...)
					break
				}
			}
			used = append(used, key)
		}
		for step := range 60 {
			key := rapid.IntRange(0, 20).Draw(t, "key")
			switch rapid.IntRange(0, 3).Draw(t, "do") {
			case 0:
				r.Drop(key)
				delete(values, key)
			case 1:
				if v, ok := r.Get(key); ok {
					if want, known := values[key]; !known || v != want {
						t.Fatalf("Get(%d) = %d, want %d, %v", key, v, want, known)
					}
					touch(key)
				}
			default:
				r.Put(key, step)
				values[key] = step
				touch(key)
			}
			if r.Len() > limit {
				t.Fatalf("%d are kept, the limit is %d", r.Len(), limit)
			}
		}
		for _, key := range used[max(0, len(used)-limit/2):] {
			want, known := values[key]
			if v, ok := r.Get(key); ok != known || known && v != want {
				t.Fatalf("the recently used key %d has %d, %v; want %d, %v", key, v, ok, want, known)
			}
		}
	})
}
