package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"midas/internal/store"
	"midas/internal/store/pebble"
)

// row is a key and the size of its value.
type row struct {
	key   string
	bytes int
}

func bytesOf(rows []row) (n int) {
	for _, r := range rows {
		n += len(r.key) + r.bytes
	}
	return n
}

// shapeOfPut creates one identity and finds in the server's dump what that has written.
func (t *target) shapeOfPut() ([]row, error) {
	before, err := t.dump()
	if err != nil {
		return nil, err
	}
	if _, err := t.run(1, 1, "201", func(int) []byte { return t.put("shape") }); err != nil {
		return nil, err
	}
	after, err := t.dump()
	if err != nil {
		return nil, err
	}
	var rows []row
	for key, size := range after {
		if _, old := before[key]; !old {
			rows = append(rows, row{key, size})
		}
	}
	if len(rows) < 4 {
		return nil, fmt.Errorf("a PUT has written only %d keys", len(rows))
	}
	return rows, nil
}

// dump reads the sizes of all values by "midas dump", which works while the server runs.
func (t *target) dump() (map[string]int, error) {
	out, err := exec.Command(t.cmd.Path, "dump", "--data", t.data).Output()
	if err != nil {
		return nil, fmt.Errorf("dump: %w", err)
	}
	sizes := map[string]int{}
	for line := range bytes.Lines(out) {
		var rec struct {
			Key   string          `json:"key"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, err
		}
		sizes[rec.Key] = len(rec.Value)
	}
	return sizes, nil
}

// engineAlone runs as many transactions of a shape as a round of PUTs does, with as many writers,
// durably, on the store without a server: each gets the keys that it is going to write, as a create
// must, and writes them. It gives the rate.
func engineAlone(dir string, shape []row) (float64, error) {
	engine, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return 0, err
	}
	st := store.New(store.Cached(engine, 32<<20), store.Options{})
	defer st.Close()
	var (
		next atomic.Int64
		wait sync.WaitGroup
		errs = make([]error, putConns)
	)
	value := bytes.Repeat([]byte("v"), 1<<16)
	begin := time.Now()
	for w := range putConns {
		wait.Go(func() {
			for errs[w] == nil {
				i := next.Add(1)
				if i > putRequests {
					return
				}
				_, errs[w] = st.Update(context.Background(), func(tx store.Tx) error {
					for _, r := range shape {
						key := fmt.Sprintf("%s-%d", r.key, i)
						if _, err := tx.Get(key); !errors.Is(err, store.ErrNotFound) {
							return fmt.Errorf("%s exists: %w", key, err)
						}
						tx.Put(key, value[:r.bytes])
					}
					return nil
				})
			}
		})
	}
	wait.Wait()
	return putRequests / time.Since(begin).Seconds(), errors.Join(errs...)
}
