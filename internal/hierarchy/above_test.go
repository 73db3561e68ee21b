package hierarchy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"midas/internal/arm"
	"midas/internal/hierarchy"
	"midas/internal/store"
)

// TestAboveIsTheChainToTheRootGroup asks for the groups above scopes of each kind.
func TestAboveIsTheChainToTheRootGroup(t *testing.T) {
	b := newBench(t)
	b.put(t, "A", "")
	b.put(t, "b", "a")
	b.put(t, "c", "B")
	for _, row := range []struct{ scope, want string }{
		{"/subscriptions/" + sub, tenant},
		{"/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.X/ys/z", tenant},
		{group("C"), "b A " + tenant},
		{group("c") + "/providers/Microsoft.Authorization/roleAssignments/x", "b A " + tenant},
		{group("a"), tenant},
		{group("none"), tenant},
		{group(tenant), ""},
		{group(strings.ToUpper(tenant)), ""},
		{"/", ""},
		{"/providers/Microsoft.Subscription/aliases/x", ""},
	} {
		for range 2 { // the second answer is from memory
			if got := b.above(t, row.scope); got != row.want {
				t.Errorf("above %s: %q, want %q", row.scope, got, row.want)
			}
		}
	}
}

// TestAboveChangesWithAMove moves a group between two calls, in the transaction of the second call, too.
func TestAboveChangesWithAMove(t *testing.T) {
	b := newBench(t)
	b.put(t, "a", "")
	b.put(t, "b", "")
	b.put(t, "c", "a")
	if got := b.above(t, group("c")); got != "a "+tenant {
		t.Fatalf("above c: %q", got)
	}
	b.put(t, "c", "b")
	if got := b.above(t, group("c")); got != "b "+tenant {
		t.Errorf("above c after the move: %q", got)
	}
}

// TestConcurrentMovesMakeNoCycle moves groups below each other at the same time. Afterwards each group still
// reaches the root group.
func TestConcurrentMovesMakeNoCycle(t *testing.T) {
	b := newBench(t)
	const n = 6
	for i := range n {
		b.put(t, fmt.Sprint("g", i), "")
	}
	var all sync.WaitGroup
	for i := range n {
		for j := range n {
			all.Go(func() {
				name, parent := fmt.Sprint("g", i), fmt.Sprint("g", j)
				_, _, err := b.Put(t.Context(), event(), write(name, &parent))
				if err != nil && !isClient(err) {
					t.Errorf("move %s below %s: %v", name, parent, err)
				}
			})
		}
		all.Go(func() {
			if _, err := b.Delete(t.Context(), event(), tenant, fmt.Sprint("g", i)); err != nil && !isClient(err) {
				t.Errorf("delete g%d: %v", i, err)
			}
		})
	}
	all.Wait()
	for i := range n {
		if got := b.above(t, group(fmt.Sprint("g", i))); !strings.HasSuffix(got, tenant) {
			t.Errorf("above g%d: %q", i, got)
		}
	}
}

func (b *bench) above(t *testing.T, scope string) string {
	t.Helper()
	id, err := arm.ParseID(scope)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	if err := b.Store.View(t.Context(), func(tx store.Tx) error {
		ids, err := b.Above(tx, tenant, id)
		names = names[:0]
		for _, id := range ids {
			if !id.Type().Is(hierarchy.Type) {
				t.Errorf("above %s is %s", scope, id)
			}
			names = append(names, id.Name())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
