package resource_test

import (
	"context"
	"testing"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// scopesFunc is called with every scope whose role assignments are deleted.
type scopesFunc func(scope arm.ID)

func (a scopesFunc) DeleteScope(_ context.Context, scope arm.ID) error { a(scope); return nil }

func TestCheckNotDeleting(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	check := func(scope string) error {
		return s.Store.View(t.Context(), func(tx store.Tx) error { return s.CheckNotDeleting(tx, id(t, scope)) })
	}
	ending := map[string]error{}
	s.Scopes = scopesFunc(func(scope arm.ID) { ending[scope.String()] = check(scope.String()) })
	group := sub + "/resourceGroups/a"
	putGroup(t, s, group, "eastus", nil)
	widget := putWidget(t, s, group, "w")
	for _, scope := range []string{"/", sub, group, widget} {
		if err := check(scope); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
	}
	for scope, code := range map[string]string{
		group + "b":  "ResourceGroupNotFound",
		widget + "b": "ResourceNotFound",
		"/subscriptions/33333333-3333-3333-3333-333333333333": "SubscriptionNotFound",
	} {
		wantCode(t, check(scope), code)
	}
	if _, err := s.Delete(t.Context(), activity.Event{}, id(t, widget)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, ending[widget], "ResourceBeingDeleted")
	wantCode(t, check(widget), "ResourceNotFound")
	if _, err := s.DeleteGroup(t.Context(), activity.Event{}, id(t, group)); err != nil {
		t.Fatal(err)
	}
	wantCode(t, check(group), "ResourceGroupBeingDeleted")
}
