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
type row struct{ Key, Value string }

func bytesOf(rows []row) (n int) {
	for _, r := range rows {
		n += len(r.Key) + len(r.Value)
	}
	return n
}

// creation has the keys and values that a server writes for one new identity.
type creation struct {
	Rows   []row
	Parent string   // the key of the group, which a create gets
	Own    []string // the GUIDs that every identity has anew
}

const patternName = "shape"

var guid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// creationOf creates one identity and finds its keys and values in the server's dump.
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
		c.Rows = append(c.Rows, row{key, value})
		for _, id := range guid.FindAllString(key+" "+value, -1) {
			own[id] = own[id] || !strings.Contains(known.String(), id)
		}
	}
	for id, isOwn := range own {
		if isOwn {
			c.Own = append(c.Own, id)
		}
	}
	c.Parent = "r/" + strings.ToLower(t.group)
	if _, found := before[c.Parent]; !found || len(c.Rows) < 4 || len(c.Own) < 2 {
		return c, fmt.Errorf("a PUT has written %d keys with %d new ids below %s: that is not a create", len(c.Rows), len(c.Own), c.Parent)
	}
	return c, nil
}

// like gives the keys and values of the i-th other identity, with other names, other ids and a later time.
func (c creation) like(i int) []row {
	words := []string{patternName, fmt.Sprintf("other-%d", i)}
	for _, id := range c.Own {
		words = append(words, id, fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", rand.Uint32(), rand.N(1<<16), rand.N(1<<16), rand.N(1<<16), rand.N(1<<48)))
	}
	change := strings.NewReplacer(words...)
	rows := make([]row, len(c.Rows))
	for n, r := range c.Rows {
		rows[n] = row{change.Replace(r.Key), change.Replace(r.Value)}
		if event, found := strings.CutPrefix(rows[n].Key, "x/"); found {
			_, id, _ := strings.Cut(event, "-")
			rows[n].Key = fmt.Sprintf("x/%020d-%s", time.Now().UnixNano(), id)
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

// alone measures the store without a server.
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
	_, err = a.Update(context.Background(), func(tx store.Tx) error { tx.Put(c.Parent, []byte("{}")); return nil })
	return a, err
}

// round commits as many durable transactions as a round of PUTs, with as many writers, and gives the rate.
// Each reads and writes the same keys as a create: it gets the group and the new identity, which does not
// exist yet.
func (a *alone) round() (float64, error) {
	creations := a.ready(putRequests)
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

// ready makes the keys and values of the next creations.
func (a *alone) ready(count int) [][]row {
	creations := make([][]row, count)
	for i := range creations {
		creations[i] = a.like(a.made)
		a.made++
	}
	return creations
}

func (a *alone) create(rows []row) error {
	_, err := a.Update(context.Background(), func(tx store.Tx) error {
		if _, err := tx.Get(a.Parent); err != nil {
			return err
		}
		for _, r := range rows {
			if strings.HasPrefix(r.Key, "r/") {
				if _, err := tx.Get(r.Key); !errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("%s exists: %w", r.Key, err)
				}
			}
			tx.Put(r.Key, []byte(r.Value))
		}
		return nil
	})
	return err
}
