// Package backuptest checks that a backup of a store which others write shows one revision.
package backuptest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/backup"
	"midas/internal/store"
	"midas/internal/store/pebble"
	"midas/internal/store/storetest"
)

const (
	accounts = 3000 // more than a page has
	deposit  = 1000
	filler   = 400 // bytes that make a record as long as an identity's
)

// UnderWrites backs a store up while writers move amounts between its records, add records and delete them, and
// restores the file. The amounts must add up, which they do in every revision and in no mixture of two. meddle is called
// after each part of the file, to remove old revisions for example.
func UnderWrites(t *testing.T, st store.Store, meddle func()) {
	t.Helper()
	fill(t, st)
	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() { move(ctx, t, st, w) })
	}
	file := &slow{meddle: meddle}
	dumpAddsUp(t, st)
	err := backup.Write(t.Context(), st, true, backup.Header{Created: time.Now(), MasterKey: "0123456789abcdef"}, file)
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	to := storetest.Memory(t)
	done, err := backup.Restore(t.Context(), to, bytes.NewReader(file.Bytes()), backup.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if done.Changes == 0 {
		t.Error("nothing was changed during the backup, so the test shows nothing")
	}
	addsUp(t, to)
	mirrored := storetest.Memory(t)
	if err := backup.Mirror(t.Context(), st, mirrored); err != nil {
		t.Fatal(err)
	}
	addsUp(t, mirrored)
}

// dumpAddsUp dumps the store. Each line has the revision of its record.
func dumpAddsUp(t *testing.T, st store.Store) {
	t.Helper()
	var out bytes.Buffer
	scratch, err := pebble.OpenMemory(pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	if err := backup.Dump(t.Context(), st, scratch, &out); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for lines := json.NewDecoder(&out); lines.More(); {
		var line struct {
			Key      string
			Revision store.Revision
			Value    []byte `json:"valueBase64"`
		}
		if err := lines.Decode(&line); err != nil || line.Revision == 0 {
			t.Fatalf("%+v %v", line, err)
		}
		if !strings.HasPrefix(line.Key, "t/") {
			continue
		}
		first, _, _ := strings.Cut(string(line.Value), " ")
		n, err := strconv.Atoi(first)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	if sum != accounts*deposit {
		t.Errorf("the amounts in the dump add up to %d and not to %d", sum, accounts*deposit)
	}
}

// slow is a file whose parts take time.
type slow struct {
	bytes.Buffer
	meddle func()
}

func (s *slow) Write(p []byte) (int, error) {
	time.Sleep(20 * time.Millisecond)
	s.meddle()
	return s.Buffer.Write(p)
}

func key(i int) string { return fmt.Sprintf("t/%04d", i) }

func value(amount int) []byte {
	return []byte(strconv.Itoa(amount) + " " + strings.Repeat("x", filler))
}

func fill(t *testing.T, st store.Store) {
	t.Helper()
	for i := 0; i < accounts; i += 100 {
		_, err := st.Update(t.Context(), func(tx store.Tx) error {
			for j := i; j < i+100; j++ {
				tx.Put(key(j), value(deposit))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// move moves the amount of one record to another until ctx ends. A record without an amount does not exist.
func move(ctx context.Context, t *testing.T, st store.Store, seed int) {
	for n := seed * 7919; ctx.Err() == nil; n += 7907 {
		from, to := key(n%accounts), key((n*31+17)%(accounts+500))
		_, err := st.Update(ctx, func(tx store.Tx) error {
			a, err := amount(tx, from)
			b, also := amount(tx, to)
			if err = errors.Join(err, also); err != nil || from == to || a == 0 {
				return err
			}
			tx.Delete(from)
			tx.Put(to, value(a+b))
			return nil
		})
		if err != nil && ctx.Err() == nil {
			t.Error(err)
			return
		}
	}
}

func amount(tx store.Tx, key string) (int, error) {
	rec, err := tx.Get(key)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(rec.Value), " ")
	return strconv.Atoi(first)
}

func addsUp(t *testing.T, st store.Store) {
	t.Helper()
	sum, records := 0, 0
	err := st.View(t.Context(), func(tx store.Tx) error {
		sum, records = 0, 0
		for rec, err := range tx.Scan(store.Range{Prefix: "t/"}) {
			if err != nil {
				return err
			}
			first, _, _ := strings.Cut(string(rec.Value), " ")
			n, err := strconv.Atoi(first)
			if err != nil {
				return err
			}
			sum, records = sum+n, records+1
		}
		return nil
	})
	if err != nil || sum != accounts*deposit {
		t.Errorf("the amounts of %d records add up to %d and not to %d: %v", records, sum, accounts*deposit, err)
	}
}
