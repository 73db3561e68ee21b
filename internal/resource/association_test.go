package resource_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

func TestAssociationsAreFilteredByPrincipal(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
	identity := id(t, putWidget(t, s, sub+"/resourceGroups/a", "identity"))
	var want []string
	_, err := s.Store.Update(t.Context(), func(tx store.Tx) error {
		want = nil
		for i := range 5 {
			user := id(t, fmt.Sprintf("%s/resourceGroups/Other/providers/A.B/c/d%d", sub, i))
			resource.Associate(tx, identity, "p", user)
			resource.Associate(tx, identity, "gone", id(t, fmt.Sprintf("%s/resourceGroups/Other/providers/A.B/c/gone%d", sub, i)))
			want = append(want, user.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = s.Store.View(t.Context(), func(tx store.Tx) error {
		got = nil
		for id, err := range resource.Associations(tx, identity, "p") {
			if err != nil {
				return err
			}
			got = append(got, id.String())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
