package installation

import (
	"context"
	"errors"
	"iter"
	"testing"

	"midas/internal/store"
)

// lonely is the store of a server whose feed goes on, and which no majority answers any more.
type lonely struct {
	store.Store
	changes []store.Change
	asked   bool
}

func (l *lonely) Update(context.Context, func(store.Tx) error) (store.Revision, error) {
	if l.asked {
		return 0, store.ErrUnavailable
	}
	l.asked = true
	return 1, nil
}

func (l *lonely) View(context.Context, func(store.Tx) error) error { return store.ErrUnavailable }

func (l *lonely) Watch(context.Context, string, store.Revision) iter.Seq2[store.Change, error] {
	return func(yield func(store.Change, error) bool) {
		for _, c := range l.changes {
			if !yield(c, nil) {
				return
			}
		}
	}
}

// TestAnotherOriginIsSeenWithoutAMajority: the other servers end when they see it, and the last one must not wait for
// them before it ends.
func TestAnotherOriginIsSeenWithoutAMajority(t *testing.T) {
	i := &Installation{}
	i.cfg.Origin = "https://old.test"
	i.cfg.Store = &lonely{changes: []store.Change{{Revision: 2, Key: recordKey, Value: []byte(`{"v":1,"id":"x","origin":"https://new.test"}`)}}}
	if err := i.followOnce(t.Context()); !errors.Is(err, ErrOrigin) {
		t.Errorf("it goes on: %v", err)
	}
}
