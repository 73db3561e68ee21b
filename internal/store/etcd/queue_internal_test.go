//go:build cluster

package etcd

import (
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"midas/internal/store"
)

// A user whose rights were taken away for a moment must not make all later groups small.
func TestOnlyRefusedSizesMakeGroupsSmaller(t *testing.T) {
	group := []*pending{{bytes: 4 << 10}, {bytes: 4 << 10}}
	for _, tt := range []struct {
		refusal           error
		operations, bytes int
	}{
		{rpctypes.ErrPermissionDenied, mostOperations, mostGroupBytes},
		{rpctypes.ErrAuthOldRevision, mostOperations, mostGroupBytes},
		{rpctypes.ErrRequestTooLarge, mostOperations, 4 << 10},
		{rpctypes.ErrTooManyOps, 2, mostGroupBytes},
	} {
		q := newQueue()
		q.shrink(group, tt.refusal)
		if !isRefusal(tt.refusal) || q.operations != tt.operations || q.bytes != tt.bytes {
			t.Errorf("%v: %d operations, %d bytes", tt.refusal, q.operations, q.bytes)
		}
	}
}

// A queue that is closed while commits wait ends each of them once, and takes no further ones.
func TestAClosedQueueEndsWhatWaits(t *testing.T) {
	q := newQueue()
	flying := []*pending{{}, {}}
	for _, p := range flying {
		if now, err := q.enter(p); !now || err != nil {
			t.Fatal(now, err)
		}
	}
	waiting := &pending{done: make(chan outcome, 1)}
	if now, err := q.enter(waiting); now || err != nil {
		t.Fatal(now, err)
	}
	q.close()
	if o := <-waiting.done; !errors.Is(o.err, store.ErrClosed) {
		t.Error(o.err)
	}
	if q.remove(waiting) || q.next(1) != nil || q.next(1) != nil {
		t.Error("a commit was taken from a closed queue")
	}
	if _, err := q.enter(waiting); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
