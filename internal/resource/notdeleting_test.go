package resource_test

import (
	"context"
	"testing"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// asking calls CheckNotDeleting for every scope that is about to end.
type asking func(scope arm.ID)

func (a asking) DeleteScope(_ context.Context, scope arm.ID) error { a(scope); return nil }

func TestScopesLastUntilTheyAreGoingAway(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	lasting := func(scope string) error {
		return s.Store.View(t.Context(), func(tx store.Tx) error { return s.CheckNotDeleting(tx, id(t, scope)) })
	}
	ending := map[string]error{}
	s.Scopes = asking(func(scope arm.ID) { ending[scope.String()] = lasting(scope.String()) })
	group := sub + "/resourceGroups/a"
	putGroup(t, s, group, "eastus", nil)
	widget := putWidget(t, s, group, "w")
	for _, scope := range []string{"/", sub, group, widget} {
		if err := lasting(scope); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
	}
	for scope, code := range map[string]string{
		group + "b":  "ResourceGroupNotFound",
		widget + "b": "ResourceNotFound",
		"/subscriptions/33333333-3333-3333-3333-333333333333": "SubscriptionNotFound",
	} {
		wantCode(t, lasting(scope), code)
	}
	if _, err := s.Delete(t.Context(), activity.Event{}, id(t, widget)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, ending[widget], "ResourceBeingDeleted")
	wantCode(t, lasting(widget), "ResourceNotFound")
	if _, err := s.DeleteGroup(t.Context(), activity.Event{}, id(t, group)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, lasting(group), "ResourceGroupBeingDeleted")
}
