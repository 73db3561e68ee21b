package compute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	sub = "/subscriptions/22222222-2222-2222-2222-222222222222"
	set = sub + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets/set"
)

type noScopes struct{}

func (noScopes) DeleteScope(context.Context, arm.ID) error { return nil }

func newService(t *testing.T) *compute.Service {
	t.Helper()
	st := storetest.Memory(t)
	log := &activity.Log{Store: st, Now: time.Now, NewID: uuid.NewString}
	resources := resource.New(resource.Config{
		Log: log, Store: st, Now: time.Now, NewID: uuid.NewString, Scopes: noScopes{}, Logger: slog.New(slog.DiscardHandler),
	})
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		return resources.EnsureSubscription(tx, "tenant", strings.TrimPrefix(sub, "/subscriptions/"), "Test")
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = resources.WriteGroup(t.Context(), activity.Event{}, id(t, sub+"/resourceGroups/rg"), func(old resource.Record) (resource.Record, error) {
		old.Location = "eastus"
		return old, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return &compute.Service{Resources: resources, Now: time.Now, NewID: uuid.NewString}
}

// putSet writes the set's record as a PUT with a capacity does.
func putSet(t *testing.T, s *compute.Service, capacity string) {
	t.Helper()
	_, err := s.Resources.Store.Update(context.Background(), func(tx store.Tx) error {
		old, err := s.Resources.Get(tx, id(t, set))
		if err != nil && !resource.IsMissing(err) {
			return err
		}
		wanted := old
		wanted.ID, wanted.Type, wanted.Name, wanted.Created, wanted.State = set, compute.ScaleSet, "set", time.Unix(1, 0), resource.Succeeded
		wanted.Extra = map[string]json.RawMessage{"sku": json.RawMessage(`{"name":"B1s","capacity":` + capacity + `}`)}
		if wanted, err = s.Set(old, wanted); err != nil {
			return err
		}
		return s.Resources.Put(tx, id(t, set), wanted)
	})
	if err != nil {
		t.Error(err)
	}
}

func TestManyWhoScaleOneSetEndWithOneCapacity(t *testing.T) {
	s := newService(t)
	putSet(t, s, "0")
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			putSet(t, s, fmt.Sprint(10*i))
			if err := s.Scale(context.Background(), activity.Event{}, id(t, set)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := s.Scale(t.Context(), activity.Event{}, id(t, set)); err != nil {
		t.Fatal(err)
	}
	rec, err := s.Resources.Find(t.Context(), id(t, set))
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Count(t.Context(), id(t, set))
	if want := fmt.Sprintf(`"capacity":%d}`, n); err != nil || !strings.Contains(string(rec.Extra["sku"]), want) {
		t.Errorf("%d machines, %v; the set wants %s", n, err, rec.Extra["sku"])
	}
}

func TestScalingWhatIsGoneDoesNothing(t *testing.T) {
	s := newService(t)
	if err := s.Scale(t.Context(), activity.Event{}, id(t, set)); err != nil {
		t.Error(err)
	}
	if err := s.Shrink(t.Context(), id(t, set+"/virtualMachines/0")); err != nil {
		t.Error(err)
	}
}

func TestWhatASetCannotBe(t *testing.T) {
	s := newService(t)
	with := func(sku, properties string) resource.Record {
		return resource.Record{Extra: map[string]json.RawMessage{"sku": json.RawMessage(sku)}, Properties: json.RawMessage(properties)}
	}
	old := with(`{}`, `{"orchestrationMode":"Uniform"}`)
	old.Type, old.Created = compute.ScaleSet, time.Unix(1, 0)
	for name, c := range map[string]struct{ old, wanted resource.Record }{
		"a capacity below nothing": {wanted: with(`{"capacity":-1}`, `{}`)},
		"a capacity of thousands":  {wanted: with(`{"capacity":1001}`, `{}`)},
		"a capacity in words":      {wanted: with(`{"capacity":"two"}`, `{}`)},
		"a sku that is a text":     {wanted: with(`"B1s"`, `{}`)},
		"an unknown mode":          {wanted: with(`{}`, `{"orchestrationMode":"Loose"}`)},
		"another mode":             {old: old, wanted: with(`{}`, `{"orchestrationMode":"Flexible"}`)},
	} {
		_, err := s.Set(c.old, c.wanted)
		var e *arm.Error
		if !errors.As(err, &e) || e.Code != "InvalidParameter" {
			t.Errorf("%s: %v", name, err)
		}
	}
	flexible := with(`{}`, `{"orchestrationMode":"flexible"}`)
	for typ, refused := range map[string]bool{identity.SystemAssigned: true, identity.Both: true, identity.UserAssigned: false, identity.None: false} {
		if err := compute.CheckSetIdentity(flexible, identity.Assignment{Type: typ}); (err != nil) != refused {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func id(t *testing.T, s string) arm.ID {
	t.Helper()
	parsed, err := arm.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
