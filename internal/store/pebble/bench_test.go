package pebble_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

// The benchmarks use the data of an identity: a record of 700 bytes and five index keys in one transaction
// that also gets the group and finds the record absent.

const benchGroup = "r/subscriptions/11111111-2222-3333-4444-555555555555/resourcegroups/group-one/"

func benchKey(i int) string {
	return fmt.Sprintf("%sproviders/microsoft.managedidentity/userassignedidentities/identity-%09d", benchGroup, i)
}

func benchPut(st store.Store, record []byte, i int) error {
	_, err := st.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Get("r/group-one"); err != nil {
			return err
		}
		_, _ = tx.Get(benchKey(i))
		tx.Put(benchKey(i), record)
		tx.Put(fmt.Sprintf("t/microsoft.managedidentity/userassignedidentities/sub/group-one/identity-%09d", i), nil)
		for _, index := range []string{"p", "c", "d/tenant/sp", "x"} {
			tx.Put(fmt.Sprintf("%s/%09d-2222-3333-4444-555555555555", index, i), []byte(benchKey(i)))
		}
		return nil
	})
	return err
}

// benchRecord returns a record that compresses like JSON with some ids.
func benchRecord() []byte {
	record := make([]byte, 700)
	for i := range record {
		record[i] = "0123456789abcdef\":,{}etaoinshrdlu"[(i*i*31+i*7)%32]
	}
	return record
}

func benchStore(b *testing.B, open func(testing.TB) *pebble.Engine, wrap func(*pebble.Engine) store.Engine, records int) store.Store {
	b.Helper()
	st := storetest.CloseAtEnd(b, store.New(wrap(open(b)), store.Options{}))
	record := benchRecord()
	if _, err := st.Update(b.Context(), func(tx store.Tx) error { tx.Put("r/group-one", record); return nil }); err != nil {
		b.Fatal(err)
	}
	benchWrite(b, st, 64, 0, records)
	return st
}

// benchWrite puts the records from to from+count-1 with the given number of writers.
func benchWrite(b *testing.B, st store.Store, writers, from, count int) {
	b.Helper()
	var next atomic.Int64
	var group sync.WaitGroup
	record := benchRecord()
	for range writers {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= count {
					return
				}
				if err := benchPut(st, record, from+i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

func largeCache(e *pebble.Engine) store.Engine { return store.Cached(e, 64<<20) }

func BenchmarkGet(b *testing.B) {
	const records = 20_000
	for _, kind := range []struct {
		name string
		open func(testing.TB) *pebble.Engine
		wrap func(*pebble.Engine) store.Engine
	}{{"memory", memory, bare}, {"disk", disk, bare}, {"disk cached", disk, largeCache}} {
		b.Run(kind.name, func(b *testing.B) {
			st := benchStore(b, kind.open, kind.wrap, records)
			keys := make([]string, records)
			for i := range keys {
				keys[i] = benchKey(i)
				benchGet(b, st, keys[i])
			}
			b.Run("one in a view", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					benchGet(b, st, keys[i*7919%records])
				}
			})
			b.Run("hot one in a view", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					benchGet(b, st, keys[0])
				}
			})
			b.Run("same key by 16 in parallel", func(b *testing.B) {
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						benchGet(b, st, keys[0])
					}
				})
			})
			b.Run("hot 8 in a view", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					err := st.View(context.Background(), func(tx store.Tx) error {
						for i := range 8 {
							if _, err := tx.Get(keys[i]); err != nil {
								return err
							}
						}
						return nil
					})
					if err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func benchGet(b *testing.B, st store.Store, key string) {
	err := st.View(context.Background(), func(tx store.Tx) error { _, err := tx.Get(key); return err })
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPage(b *testing.B) {
	const records = 20_000
	for _, kind := range []struct {
		name   string
		wrap   func(*pebble.Engine) store.Engine
		length int
		from   int // the number of records at which a page begins in turn; 1: always the same page
	}{
		{"100 on disk", bare, 100, records},
		{"100 cached", largeCache, 100, 1},
		{"5 on disk", bare, 5, records},
		{"5 cached", largeCache, 5, 1},
	} {
		b.Run(kind.name, func(b *testing.B) {
			st := benchStore(b, disk, kind.wrap, records)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r := store.Range{Prefix: benchGroup, After: benchKey(i * 7919 % kind.from), Limit: kind.length}
				err := st.View(b.Context(), func(tx store.Tx) error {
					for _, err := range tx.Scan(r) {
						if err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	for _, kind := range []struct {
		name string
		open func(testing.TB) *pebble.Engine
		wrap func(*pebble.Engine) store.Engine
	}{{"memory", memory, bare}, {"memory cached", memory, largeCache}, {"disk", disk, bare}, {"disk cached", disk, largeCache}} {
		for _, writers := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s by %d", kind.name, writers), func(b *testing.B) {
				st := benchStore(b, kind.open, kind.wrap, 0)
				b.ReportAllocs()
				b.ResetTimer()
				benchWrite(b, st, writers, 0, b.N)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			})
		}
	}
}
