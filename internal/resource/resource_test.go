package resource_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "11111111-1111-1111-1111-111111111111"
	sub    = "/subscriptions/22222222-2222-2222-2222-222222222222"

	widgets arm.Type = "Contoso.Things/widgets"
)

func TestGroupUpdateKeepsTheSpelling(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	ctx := t.Context()
	first, created := putGroup(t, s, sub+"/resourcegroups/RG_1", "East US", map[string]string{"a": "1"})
	if !created || first.Location != "eastus" || first.State != resource.Succeeded || first.TenantID != tenant {
		t.Fatalf("created %v: %+v", created, first)
	}
	second, created := putGroup(t, s, sub+"/resourcegroups/rg_1", "eastus", nil)
	if created || second.ID != sub+"/resourceGroups/RG_1" || len(second.Tags) != 0 {
		t.Fatalf("created again %v: %+v", created, second)
	}
	_, _, err := s.WriteGroup(ctx, activity.Event{}, id(t, sub+"/resourceGroups/rg_1"), location("westus"))
	wantCode(t, err, "InvalidResourceGroupLocation")
	_, err = s.PatchGroup(ctx, activity.Event{}, id(t, sub+"/resourceGroups/none"), location("eastus"))
	wantCode(t, err, "ResourceGroupNotFound")
}

func TestInvalidGroupsAreRejected(t *testing.T) {
	st := storetest.Memory(t)
	s := newService(t, st)
	before := keys(t, st)
	manyTags := map[string]string{}
	for i := range 51 {
		manyTags[fmt.Sprint("t", i)] = ""
	}
	for name, c := range map[string]struct {
		id, location string
		tags         map[string]string
		code         string
	}{
		"no location":     {"/resourceGroups/a", "", nil, "LocationRequired"},
		"bad location":    {"/resourceGroups/a", "east/us", nil, "LocationNotAvailableForResourceType"},
		"dot at the end":  {"/resourceGroups/a.", "eastus", nil, "InvalidResourceGroup"},
		"space":           {"/resourceGroups/a b", "eastus", nil, "InvalidResourceGroup"},
		"91 characters":   {"/resourceGroups/" + strings.Repeat("a", 91), "eastus", nil, "InvalidParameter"},
		"51 tags":         {"/resourceGroups/a", "eastus", manyTags, "InvalidTagCount"},
		"long tag name":   {"/resourceGroups/a", "eastus", map[string]string{strings.Repeat("n", 513): ""}, "InvalidTagName"},
		"long tag value":  {"/resourceGroups/a", "eastus", map[string]string{"n": strings.Repeat("v", 257)}, "InvalidTagValue"},
		"slash in a tag":  {"/resourceGroups/a", "eastus", map[string]string{"a/b": ""}, "InvalidTagNameCharacters"},
		"tag twice":       {"/resourceGroups/a", "eastus", map[string]string{"a": "", "A": ""}, "DuplicateTagName"},
		"no subscription": {"!", "eastus", nil, "SubscriptionNotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			target := sub + c.id
			if c.id == "!" {
				target = "/subscriptions/33333333-3333-3333-3333-333333333333/resourceGroups/a"
			}
			_, _, err := s.WriteGroup(t.Context(), activity.Event{}, id(t, target), func(old resource.Record) (resource.Record, error) {
				old.Location, old.Tags = c.location, c.tags
				return old, nil
			})
			wantCode(t, err, c.code)
		})
	}
	if diff := cmp.Diff(before, keys(t, st)); diff != "" {
		t.Errorf("a rejected request has changed the store (-before +after)\n%s", diff)
	}
}

func TestPagesCoverAListOnceAndInOrder(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
	putGroup(t, s, sub+"/resourceGroups/a0", "eastus", nil) // has the same prefix
	var want []string
	for i := range 25 {
		want = append(want, putWidget(t, s, sub+"/resourceGroups/a", fmt.Sprintf("w%02d", i)))
	}
	other := putWidget(t, s, sub+"/resourceGroups/a0", "w")
	for scope, want := range map[string][]string{
		sub + "/resourceGroups/A": want, sub + "/resourceGroups/a0": {other}, sub: append([]string{}, append(want, other)...),
	} {
		for name, list := range map[string]func(after string) (resource.Page, error){
			"by type": func(after string) (resource.Page, error) {
				return s.List(t.Context(), id(t, scope), "contoso.things/WIDGETS", resource.Part{After: after, Limit: 7})
			},
			"all": func(after string) (resource.Page, error) {
				return s.All(t.Context(), id(t, scope), resource.Part{After: after, Limit: 7})
			},
		} {
			if diff := cmp.Diff(want, collect(t, list)); diff != "" {
				t.Errorf("%s of %s (-want +got)\n%s", name, scope, diff)
			}
		}
	}
	if _, err := s.List(t.Context(), id(t, sub+"/resourceGroups/none"), widgets, resource.Part{Limit: 7}); err == nil {
		t.Error("the list of a missing group returns no error")
	}
}

func TestChildrenAreOnlyOfTheirParentAndType(t *testing.T) {
	s := newService(t, storetest.Memory(t))
	putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
	parent := putWidget(t, s, sub+"/resourceGroups/a", "w")
	putWidget(t, s, sub+"/resourceGroups/a", "w2")
	child := put(t, s, parent+"/parts/p")
	put(t, s, child+"/bolts/b")
	page, err := s.Children(t.Context(), id(t, parent), widgets+"/parts", resource.Part{Limit: 10})
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != child {
		t.Fatalf("%+v, %v", page, err)
	}
	err = tryPut(s, id(t, sub+"/resourceGroups/a/providers/Contoso.Things/widgets/none/parts/p"))
	wantCode(t, err, "ParentResourceNotFound")
}

func TestGroupDeletionRemovesExactlyTheContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		owner, scopes := &recorder{}, &recorder{}
		s := newService(t, st)
		s.Owners, s.Scopes = map[string]resource.Owner{widgets.Key(): owner}, scopes
		putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
		putGroup(t, s, sub+"/resourceGroups/ab", "eastus", nil)
		stays := putWidget(t, s, sub+"/resourceGroups/ab", "w")
		for i := range 35 {
			putWidget(t, s, sub+"/resourceGroups/a", fmt.Sprint("w", i))
		}
		op, err := s.DeleteGroup(t.Context(), activity.Event{}, id(t, sub+"/resourceGroups/a"))
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, tryPut(s, id(t, sub+"/resourceGroups/a/providers/Contoso.Things/widgets/late")), "ResourceGroupBeingDeleted")
		run(t, s)
		synctest.Wait()
		if op, err = operation(t.Context(), s, op.Subscription, op.Name); err != nil || op.Ended.IsZero() {
			t.Fatalf("the operation has not ended: %+v, %v", op, err)
		}
		for _, key := range keys(t, st) {
			if strings.Contains(key, "/a/") || strings.HasSuffix(key, "/a") {
				t.Errorf("%s was not deleted", key)
			}
		}
		if owner.calls.Load() != 35 || scopes.calls.Load() != 1 {
			t.Errorf("Owner was called %d times, and Scopes %d times", owner.calls.Load(), scopes.calls.Load())
		}
		if _, err := s.Find(t.Context(), id(t, stays)); err != nil {
			t.Errorf("the other group was deleted: %v", err)
		}
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if _, err := operation(t.Context(), s, op.Subscription, op.Name); err == nil {
			t.Error("the operation was not deleted")
		}
	})
}

func TestGroupDeletionContinuesInAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := storetest.Memory(t)
		s := newService(t, st)
		putGroup(t, s, sub+"/resourceGroups/a", "eastus", nil)
		for i := range 25 {
			putWidget(t, s, sub+"/resourceGroups/a", fmt.Sprint("w", i))
		}
		ctx, crash := context.WithCancel(t.Context())
		s.Owners = map[string]resource.Owner{widgets.Key(): &recorder{after: 12, do: crash}}
		op, err := s.DeleteGroup(ctx, activity.Event{}, id(t, sub+"/resourceGroups/a"))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Find(t.Context(), id(t, sub+"/resourceGroups/a")); err != nil {
			t.Fatalf("the deletion ended before the crash: %v", err)
		}
		next := newService(t, st)
		run(t, next)
		synctest.Wait()
		if op, err = operation(t.Context(), next, op.Subscription, op.Name); err != nil || op.Ended.IsZero() {
			t.Errorf("the operation has not ended: %+v, %v", op, err)
		}
		if _, err := next.Find(t.Context(), id(t, sub+"/resourceGroups/a")); err == nil {
			t.Error("the group was not deleted")
		}
	})
}

func TestNothingIsCreatedInAGroupBeingDeleted(t *testing.T) {
	st := storetest.Memory(t)
	s := newService(t, st)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	for round := range 8 {
		group := fmt.Sprintf("%s/resourceGroups/r%d", sub, round)
		putGroup(t, s, group, "eastus", nil)
		var creators sync.WaitGroup
		for c := range 4 {
			creators.Go(func() {
				for i := range 20 {
					if tryPut(s, id(t, fmt.Sprintf("%s/providers/Contoso.Things/widgets/w%d-%d", group, c, i))) != nil {
						return
					}
				}
			})
		}
		op, err := s.DeleteGroup(ctx, activity.Event{}, id(t, group))
		if err != nil {
			t.Fatal(err)
		}
		creators.Wait()
		for op.Ended.IsZero() {
			if op, err = operation(ctx, s, op.Subscription, op.Name); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
	}
	stop()
	running.Wait()
	for _, key := range keys(t, st) {
		if strings.Contains(key, "widgets") {
			t.Errorf("%s has no group", key)
		}
	}
}

// recorder counts the calls to a hook, and can act after a number of them.
type recorder struct {
	calls atomic.Int64
	after int64
	do    func()
	err   error
}

func (r *recorder) Deleted(store.Tx, resource.Record) error {
	if n := r.calls.Add(1); r.do != nil && n == r.after {
		r.do()
	}
	return nil
}

func (r *recorder) DeleteScope(context.Context, arm.ID) error {
	r.calls.Add(1)
	return r.err
}

// operation reads an operation in a view of its own.
func operation(ctx context.Context, s *resource.Service, subscription, name string) (op resource.Operation, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		op, err = s.Operation(tx, subscription, name)
		return err
	})
	return op, err
}

func newService(t *testing.T, st store.Store) *resource.Service {
	t.Helper()
	return newServiceOver(t, st, &recorder{})
}

func newServiceOver(t *testing.T, st store.Store, scopes resource.Scopes) *resource.Service {
	t.Helper()
	log := &activity.Log{Store: st, Now: time.Now, NewID: uuid.NewString}
	s := resource.New(resource.Config{
		Log: log, Store: st, Now: time.Now, NewID: uuid.NewString, Scopes: scopes,
		Logger: slog.New(slog.DiscardHandler),
	})
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		return s.EnsureSubscription(tx, tenant, strings.TrimPrefix(sub, "/subscriptions/"), "Test")
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *resource.Service) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { _ = s.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
}

func location(name string) func(resource.Record) (resource.Record, error) {
	return func(old resource.Record) (resource.Record, error) {
		old.Location = name
		return old, nil
	}
}

func putGroup(t *testing.T, s *resource.Service, group, where string, tags map[string]string) (resource.Record, bool) {
	t.Helper()
	rec, created, err := s.WriteGroup(t.Context(), activity.Event{}, id(t, group), func(old resource.Record) (resource.Record, error) {
		old.Location, old.Tags = where, tags
		return old, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rec, created
}

func putWidget(t *testing.T, s *resource.Service, group, name string) string {
	t.Helper()
	return put(t, s, group+"/providers/Contoso.Things/widgets/"+name)
}

func put(t *testing.T, s *resource.Service, path string) string {
	t.Helper()
	if err := tryPut(s, id(t, path)); err != nil {
		t.Fatal(err)
	}
	return path
}

func tryPut(s *resource.Service, id arm.ID) error {
	return s.Log.Update(context.Background(), activity.Event{}, func(tx store.Tx) error {
		if _, err := s.Parent(tx, id); err != nil {
			return err
		}
		return s.Put(tx, id, resource.Record{ID: id.String(), Type: id.Type(), Name: id.Name(), State: resource.Succeeded})
	})
}

func collect(t *testing.T, list func(after string) (resource.Page, error)) []string {
	t.Helper()
	var ids []string
	for after, more := "", true; more; more = after != "" {
		page, err := list(after)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			ids = append(ids, rec.ID)
		}
		after = page.Next
	}
	return ids
}

func keys(t *testing.T, st store.Store) []string {
	t.Helper()
	var all []string
	err := st.View(t.Context(), func(tx store.Tx) error {
		all = nil
		for rec, err := range tx.Scan(store.Range{}) {
			if err != nil {
				return err
			}
			if !strings.HasPrefix(rec.Key, "x/") && !strings.HasPrefix(rec.Key, "o/") {
				all = append(all, rec.Key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *arm.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want %s", err, code)
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
