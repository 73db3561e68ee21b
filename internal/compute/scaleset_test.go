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
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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
		Workers: map[string]resource.Worker{},
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
	s := &compute.Service{Resources: resources, Now: time.Now, NewID: uuid.NewString}
	resources.Workers[compute.ScaleOperation] = s.Scale
	return s
}

// putSet writes the set's record as a PUT with a capacity does, and returns the operation that it has begun.
func putSet(t *testing.T, s *compute.Service, capacity string) resource.Operation {
	t.Helper()
	op := s.Resources.NewOperation(compute.ScaleOperation, activity.Event{}, id(t, set))
	_, err := s.Resources.Store.Update(context.Background(), func(tx store.Tx) error {
		old, err := s.Resources.Get(tx, id(t, set))
		if err != nil && !arm.IsResourceNotFound(err) {
			return err
		}
		wanted := old
		wanted.ID, wanted.Type, wanted.Name, wanted.Created, wanted.State = set, compute.ScaleSet, "set", time.Unix(1, 0), resource.Succeeded
		wanted.Extra = map[string]json.RawMessage{"sku": json.RawMessage(`{"name":"B1s","capacity":` + capacity + `}`)}
		if wanted, err = s.Set(old, wanted); err != nil {
			return err
		}
		if err := s.Resources.PutOperation(tx, op); err != nil {
			return err
		}
		return s.Resources.Put(tx, id(t, set), wanted)
	})
	if err != nil {
		t.Error(err)
	}
	return op
}

// scale writes a capacity and waits until the set has so many machines.
func scale(t *testing.T, s *compute.Service, capacity string) {
	t.Helper()
	if err := s.Resources.Finish(context.Background(), putSet(t, s, capacity)); err != nil {
		t.Error(err)
	}
}

// machines returns the names of the set's machines in the order of their numbers, and its capacity.
func machines(t *testing.T, s *compute.Service) (names []string, capacity int) {
	t.Helper()
	err := s.Resources.Store.View(t.Context(), func(tx store.Tx) error {
		names = nil
		for rec, err := range s.Resources.Nested(tx, id(t, set)) {
			if err != nil {
				return err
			}
			names = append(names, rec.Name)
		}
		rec, err := s.Resources.Get(tx, id(t, set))
		if err != nil {
			return err
		}
		var sku struct{ Capacity int }
		capacity = 0
		if err := json.Unmarshal(rec.Extra["sku"], &sku); err != nil {
			return err
		}
		capacity = sku.Capacity
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, capacity
}

func TestConcurrentScalingEndsWithOneCapacity(t *testing.T) {
	s := newService(t)
	putSet(t, s, "0")
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() { scale(t, s, fmt.Sprint(10*i)) })
	}
	all.Wait()
	if names, capacity := machines(t, s); len(names) != capacity {
		t.Errorf("%d machines; the capacity is %d", len(names), capacity)
	}
}

func TestScalingADeletedSetDoesNothing(t *testing.T) {
	s := newService(t)
	if err := s.Scale(t.Context(), resource.Operation{Target: set}); err != nil {
		t.Error(err)
	}
	if existed, err := s.DeleteInstance(t.Context(), activity.Event{}, id(t, set+"/virtualMachines/0")); existed || err != nil {
		t.Errorf("deleting a machine of a missing set: %v, %v", existed, err)
	}
}

// Concurrent deletions of one machine do not delete other machines, even after the set is written again.
func TestDeletionsOfOneMachineLowerTheCapacityOnce(t *testing.T) {
	for range 20 {
		s := newService(t)
		scale(t, s, "4")
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if _, err := s.DeleteInstance(context.Background(), activity.Event{}, id(t, set+"/virtualMachines/1")); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := s.Scale(t.Context(), resource.Operation{Target: set}); err != nil {
			t.Fatal(err)
		}
		names, capacity := machines(t, s)
		if diff := cmp.Diff([]string{"set_0", "set_2", "set_3"}, names); diff != "" || capacity != 3 {
			t.Fatalf("the capacity is %d, machines (-want +got)\n%s", capacity, diff)
		}
	}
}

// The test deletes a machine after the write of a smaller capacity and before the operation that applies it.
func TestDeletingASurplusMachineKeepsTheCapacity(t *testing.T) {
	s := newService(t)
	scale(t, s, "4")
	op := putSet(t, s, "2")
	if _, err := s.DeleteInstance(t.Context(), activity.Event{}, id(t, set+"/virtualMachines/0")); err != nil {
		t.Fatal(err)
	}
	if err := s.Resources.Finish(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	names, capacity := machines(t, s)
	if diff := cmp.Diff([]string{"set_1", "set_2"}, names); diff != "" || capacity != 2 {
		t.Errorf("the capacity is %d, machines (-want +got)\n%s", capacity, diff)
	}
}

// After concurrent writes of capacities and deletions of machines, the number of machines is equal to the
// capacity.
func TestConcurrentWritesAndDeletionsMatchTheCapacity(t *testing.T) {
	s := newService(t)
	scale(t, s, "12")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() { scale(t, s, fmt.Sprint(6+i)) })
		all.Go(func() {
			if _, err := s.DeleteInstance(context.Background(), activity.Event{}, id(t, fmt.Sprintf("%s/virtualMachines/%d", set, i/2))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if names, capacity := machines(t, s); len(names) != capacity {
		t.Errorf("%d machines; the capacity is %d", len(names), capacity)
	}
}

// The test begins to grow and to shrink a set, and the Run of another process finishes the operations.
func TestScalingContinuesAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		for _, capacity := range []int{120, 3, 60} {
			putSet(t, s, fmt.Sprint(capacity))
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { _ = s.Resources.Run(ctx); close(done) }()
			synctest.Wait()
			if names, _ := machines(t, s); len(names) != capacity {
				t.Errorf("%d machines after the start; the capacity is %d", len(names), capacity)
			}
			stop()
			<-done
		}
		for _, key := range keys(t, s, "o/") {
			t.Errorf("the operation %s has not ended", key)
		}
	})
}

func keys(t *testing.T, s *compute.Service, prefix string) (all []string) {
	t.Helper()
	err := s.Resources.Store.View(t.Context(), func(tx store.Tx) error {
		all = nil
		for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
			if err != nil {
				return err
			}
			all = append(all, rec.Key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestInvalidScaleSetsAreRejected(t *testing.T) {
	s := newService(t)
	with := func(sku, properties string) resource.Record {
		return resource.Record{Extra: map[string]json.RawMessage{"sku": json.RawMessage(sku)}, Properties: json.RawMessage(properties)}
	}
	old := with(`{}`, `{"orchestrationMode":"Uniform"}`)
	old.Type, old.Created = compute.ScaleSet, time.Unix(1, 0)
	for name, c := range map[string]struct{ old, wanted resource.Record }{
		"a negative capacity":    {wanted: with(`{"capacity":-1}`, `{}`)},
		"a capacity above 1,000": {wanted: with(`{"capacity":1001}`, `{}`)},
		"a capacity as text":     {wanted: with(`{"capacity":"two"}`, `{}`)},
		"a sku as text":          {wanted: with(`"B1s"`, `{}`)},
		"an unknown mode":        {wanted: with(`{}`, `{"orchestrationMode":"Loose"}`)},
		"a changed mode":         {old: old, wanted: with(`{}`, `{"orchestrationMode":"Flexible"}`)},
	} {
		_, err := s.Set(c.old, c.wanted)
		var e *arm.Error
		if !errors.As(err, &e) || e.Code != "InvalidParameter" {
			t.Errorf("%s: %v", name, err)
		}
	}
	flexible := with(`{}`, `{"orchestrationMode":"flexible"}`)
	for typ, refused := range map[string]bool{identity.SystemAssigned: true, identity.Both: true, identity.UserAssigned: false, identity.None: false} {
		if err := compute.CheckSetIdentity(flexible, identity.IdentityChange{Type: typ}); (err != nil) != refused {
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
