package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// row is a key with its value.
type row struct{ key, value string }

func bytesOf(rows []row) (n int) {
	for _, r := range rows {
		n += len(r.key) + len(r.value)
	}
	return n
}

// creation is what a server writes for one new identity, as a pattern for others.
type creation struct {
	rows   []row
	parent string   // the key of the group, which a create gets
	own    []string // the GUIDs that every identity has anew
}

const patternName = "shape"

var guid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// creationOf creates one identity and finds in the server's dump what that has written.
func (t *target) creationOf() (c creation, err error) {
	before, err := t.dump()
	if err != nil {
		return c, err
	}
	if _, err := t.run(1, 1, "201", func(int) []byte { return t.put(patternName) }); err != nil {
		return c, err
	}
	after, err := t.dump()
	if err != nil {
		return c, err
	}
	var known strings.Builder
	for key, value := range before {
		known.WriteString(key + value)
	}
	own := map[string]bool{}
	for key, value := range after {
		if _, old := before[key]; old {
			continue
		}
		c.rows = append(c.rows, row{key, value})
		for _, id := range guid.FindAllString(key+" "+value, -1) {
			own[id] = own[id] || !strings.Contains(known.String(), id)
		}
	}
	for id, isOwn := range own {
		if isOwn {
			c.own = append(c.own, id)
		}
	}
	c.parent = "r/" + strings.ToLower(t.group)
	if _, found := before[c.parent]; !found || len(c.rows) < 4 || len(c.own) < 2 {
		return c, fmt.Errorf("a PUT has written %d keys with %d new ids below %s: that is not a create", len(c.rows), len(c.own), c.parent)
	}
	return c, nil
}

// like is what the creation of the i-th other identity writes: other names, other ids, a later time.
func (c creation) like(i int) []row {
	words := []string{patternName, fmt.Sprintf("other-%d", i)}
	for _, id := range c.own {
		words = append(words, id, fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", rand.Uint32(), rand.N(1<<16), rand.N(1<<16), rand.N(1<<16), rand.N(1<<48)))
	}
	change := strings.NewReplacer(words...)
	rows := make([]row, len(c.rows))
	for n, r := range c.rows {
		rows[n] = row{change.Replace(r.key), change.Replace(r.value)}
		if event, found := strings.CutPrefix(rows[n].key, "x/"); found {
			_, id, _ := strings.Cut(event, "-")
			rows[n].key = fmt.Sprintf("x/%020d-%s", time.Now().UnixNano(), id)
		}
	}
	return rows
}

// dump reads all values by "midas dump", which works while the server runs.
func (t *target) dump() (map[string]string, error) {
	out, err := exec.Command(t.cmd.Path, "dump", "--data", t.data).Output()
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	values := map[string]string{}
	for line := range bytes.Lines(out) {
		var rec struct {
			Key         string          `json:"key"`
			Value       json.RawMessage `json:"value"`
			ValueBase64 []byte          `json:"valueBase64"`
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, err
		}
		values[rec.Key] = string(rec.Value) + string(rec.ValueBase64)
	}
	return values, nil
}

// alone is the store without a server.
type alone struct {
	store.Store
	creation
	made int
}

func openAlone(dir string, c creation) (*alone, error) {
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return nil, err
	}
	a := &alone{Store: store.New(store.Cached(engine, 32<<20), store.Options{}), creation: c}
	_, err = a.Update(context.Background(), func(tx store.Tx) error { tx.Put(c.parent, []byte("{}")); return nil })
	return a, err
}

// round runs as many transactions as a round of PUTs does, with as many writers, durably. Each gets
// what a create gets, the group and the identity that is not there yet, and writes what a create
// writes. It gives the rate.
func (a *alone) round() (float64, error) {
	creations := make([][]row, putRequests)
	for i := range creations {
		creations[i] = a.like(a.made)
		a.made++
	}
	var (
		next atomic.Int64
		wait sync.WaitGroup
		errs = make([]error, putConns)
	)
	defer runtime.GOMAXPROCS(asMidas())
	begin := time.Now()
	for w := range putConns {
		wait.Go(func() {
			for errs[w] == nil {
				i := next.Add(1) - 1
				if i >= putRequests {
					return
				}
				errs[w] = a.create(creations[i])
			}
		})
	}
	wait.Wait()
	return putRequests / time.Since(begin).Seconds(), errors.Join(errs...)
}

func (a *alone) create(rows []row) error {
	_, err := a.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Get(a.parent); err != nil {
			return err
		}
		for _, r := range rows {
			if strings.HasPrefix(r.key, "r/") {
				if _, err := tx.Get(r.key); !errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("%s exists: %w", r.key, err)
				}
			}
			tx.Put(r.key, []byte(r.value))
		}
		return nil
	})
	return err
}
