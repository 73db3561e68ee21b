//go:build cluster

package postgres

import (
	"context"
	"math"
	"sync"

	"midas/internal/store"
)

// Limits of the queries that Gets share.
const (
	getsAtOnce = 2  // queries
	mostGets   = 64 // keys of one query
)

// getter reads single keys. Gets that come while enough queries run share the next one, so that many readers cost the
// database few queries.
type getter struct {
	read func([]*get)

	mu      sync.Mutex
	running int
	waiting []*get
}

// get is one key of a snapshot. Its results are set before done is closed.
type get struct {
	key string
	at  store.Revision // of the snapshot

	newest, oldest int64
	value          []byte
	revision       *int64 // nil if there is no record
	changed        *int64 // the newest revision that has changed the key since the oldest snapshot of the query
	err            error
	done           chan struct{}
}

// get returns the state of a key at the time of a query that begins after the call.
func (g *getter) get(ctx context.Context, key string, at store.Revision) (*get, error) {
	mine := &get{key: key, at: at, done: make(chan struct{})}
	g.add(mine)
	select {
	case <-mine.done:
		return mine, mine.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (g *getter) add(mine *get) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, mine)
	if g.running < getsAtOnce {
		g.running++
		go g.run()
	}
}

// run makes queries until nobody waits for one.
func (g *getter) run() {
	for {
		gets := g.take()
		if len(gets) == 0 {
			return
		}
		g.read(gets)
		for _, one := range gets {
			close(one.done)
		}
	}
}

// take removes the first Gets, as many as one query may have. If there are none, the caller ends.
func (g *getter) take() []*get {
	g.mu.Lock()
	defer g.mu.Unlock()
	count := min(len(g.waiting), mostGets)
	if count == 0 {
		g.running--
		return nil
	}
	gets := append([]*get(nil), g.waiting[:count]...)
	g.waiting = append(g.waiting[:0:0], g.waiting[count:]...)
	return gets
}

// readKeys makes one query for some Gets.
func (e *Engine) readKeys(gets []*get) {
	oldest := int64(math.MaxInt64)
	whole, keys, digests := make([][]byte, len(gets)), make([][]byte, len(gets)), make([][]byte, len(gets))
	for i, g := range gets {
		k := columns(g.key)
		whole[i], keys[i], digests[i] = []byte(g.key), k.key, k.digest
		oldest = min(oldest, int64(g.at))
	}
	err := e.retry(e.ctx, func(ctx context.Context) error {
		rows, err := e.readers.Query(ctx, e.sql.get, oldest, whole, keys, digests)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var place int64
			var g get
			if err := rows.Scan(&place, &g.newest, &g.oldest, &g.value, &g.revision, &g.changed); err != nil {
				return err
			}
			to := gets[place-1]
			to.newest, to.oldest, to.value, to.revision, to.changed = g.newest, g.oldest, g.value, g.revision, g.changed
		}
		return rows.Err()
	})
	for _, g := range gets {
		g.err = err
	}
}

// record returns what a snapshot shows. The error is store.ErrStale if the key has changed after its revision, or may
// have.
func (g *get) record() (store.Record, error) {
	switch {
	case g.revision != nil && store.Revision(*g.revision) > g.at:
		return store.Record{}, store.ErrStale
	case g.revision != nil:
		return store.Record{Key: g.key, Value: g.value, Revision: store.Revision(*g.revision)}, nil
	case store.Revision(g.newest) > g.at && store.Revision(g.oldest) > g.at, g.changed != nil && store.Revision(*g.changed) > g.at:
		return store.Record{}, store.ErrStale // it was deleted
	}
	return store.Record{}, store.ErrNotFound
}
