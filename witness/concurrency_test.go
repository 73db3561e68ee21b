package witness_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

const workers = 8

// Each worker reads exactly its own writes. The guard fails the test on any 5xx.
func TestConcurrentWritesToDifferentIdentities(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	together(func(worker int) {
		for round := range 10 {
			name := fmt.Sprintf("worker-%d", worker)
			made, err := client.CreateOrUpdate(t.Context(), "rg", name, armmsi.Identity{Location: new("eastus")}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := client.Get(t.Context(), "rg", name, nil)
			if err != nil || *got.Properties.PrincipalID != *made.Properties.PrincipalID {
				t.Errorf("round %d of %s: %v", round, name, err)
				return
			}
			if _, err := client.Delete(t.Context(), "rg", name, nil); err != nil {
				t.Error(err)
				return
			}
			_, err = client.Get(t.Context(), "rg", name, nil)
			wantRefusal(t, err, 404, "ResourceNotFound")
		}
	})
	if list := pages(t, client.NewListByResourceGroupPager("rg", nil)); len(list) != 1 || len(list[0].Value) != 0 {
		t.Error("something was left behind")
	}
}

// Each worker sees some order of the writes, and the final state is the identity of one of them, or none.
func TestConcurrentWritesToOneIdentity(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	var mu sync.Mutex
	principals := map[string]bool{}
	together(func(worker int) {
		for range 10 {
			made, err := client.CreateOrUpdate(t.Context(), "rg", "same", armmsi.Identity{Location: new("eastus")}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			principals[*made.Properties.PrincipalID] = true
			mu.Unlock()
			if _, err := client.Get(t.Context(), "rg", "same", nil); !nilOr(err, "ResourceNotFound") {
				t.Error(err)
			}
			if _, err := client.Update(t.Context(), "rg", "same", armmsi.IdentityUpdate{Tags: map[string]*string{"by": new(fmt.Sprint(worker))}}, nil); !nilOr(err, "ResourceNotFound") {
				t.Error(err)
			}
			if _, err := client.Delete(t.Context(), "rg", "same", nil); err != nil {
				t.Error(err)
			}
		}
	})
	if len(principals) < 2 {
		t.Errorf("%d principals: they did not meet", len(principals))
	}
	_, err := client.Get(t.Context(), "rg", "same", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
	made := w.identity(t, "rg", "same")
	if principals[*made.Properties.PrincipalID] {
		t.Error("the principal of a deleted identity came back")
	}
}

// Of many concurrent creates one creates the identity, and all answers have the same principal.
func TestOneOfManyConcurrentPutsCreates(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	for round := range 5 {
		name := fmt.Sprint("round-", round)
		var got [workers]string
		together(func(worker int) {
			made, err := client.CreateOrUpdate(t.Context(), "rg", name, armmsi.Identity{Location: new("eastus")}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			got[worker] = *made.Properties.PrincipalID
		})
		for _, principal := range got {
			if principal != got[0] {
				t.Fatalf("several principals: %q", got)
			}
		}
	}
	created := w.guard.count(func(e exchange) bool { return e.Method == "PUT" && e.Status == 201 })
	if created != 5+1 { // and the group
		t.Errorf("%d things were created", created)
	}
}

// A group that is deleted while others create in it ends empty, and none of them sees a fault.
func TestDeletingAGroupWhileOthersCreateInIt(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	client := w.msi(t).NewUserAssignedIdentitiesClient()
	groups := w.resources(t).NewResourceGroupsClient()
	together(func(worker int) {
		if worker == 0 {
			poller, err := groups.BeginDelete(t.Context(), "rg", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := poller.PollUntilDone(t.Context(), nil); err != nil {
				t.Error(err)
			}
			return
		}
		for i := range 20 {
			_, err := client.CreateOrUpdate(t.Context(), "rg", fmt.Sprintf("app-%d-%d", worker, i), armmsi.Identity{Location: new("eastus")}, nil)
			if !nilOr(err, "ResourceGroupBeingDeleted", "ResourceGroupNotFound") {
				t.Error(err)
			}
		}
	})
	w.group(t, "rg")
	if list := pages(t, client.NewListByResourceGroupPager("rg", nil)); len(list[0].Value) != 0 {
		t.Errorf("the new group has %d identities of the old", len(list[0].Value))
	}
}

// together runs all workers and waits for them.
func together(work func(worker int)) {
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() { work(worker) })
	}
	all.Wait()
}

// nilOr tells whether err is nil or one of the refusals that the others may cause.
func nilOr(err error, codes ...string) bool {
	var refusal *azcore.ResponseError
	if err == nil {
		return true
	}
	if !errors.As(err, &refusal) {
		return false
	}
	for _, code := range codes {
		if refusal.ErrorCode == code {
			return true
		}
	}
	return false
}
