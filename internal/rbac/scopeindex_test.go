package rbac

import (
	"fmt"
	"hash/maphash"
	"testing"
)

// TestScopeIndexFindsTheGrantsAtAScopeAndNoOthers looks up so many scopes that tags collide.
func TestScopeIndexFindsTheGrantsAtAScopeAndNoOthers(t *testing.T) {
	const scopes = 5000
	var list []*grant
	for i := range 2 * scopes { // two at each scope
		list = append(list, &grant{base: fmt.Sprint("/subscriptions/", i%scopes)})
	}
	x := newScopeIndex(maphash.MakeSeed(), list)
	for i := range 2 * scopes {
		scope, want := fmt.Sprint("/subscriptions/", i), 0
		if i < scopes {
			want = 2
		}
		found := x.appendAt(nil, scope)
		if len(found) != want {
			t.Fatalf("%d grants at %s, want %d", len(found), scope, want)
		}
		for _, g := range found {
			if g.base != scope {
				t.Errorf("a grant at %s is found at %s", g.base, scope)
			}
		}
	}
}
