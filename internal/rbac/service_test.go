package rbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

// The roles that the tests use most.
const (
	owner         = rbac.OwnerID
	contributor   = "b24988ac-6180-42a0-ab88-20f7382dd24c"
	reader        = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	accessAdmin   = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
	miContributor = "e40ec5ca-96e0-45a2-b4ff-59039f2c2b59"
	miOperator    = "f1a07417-d97a-45cb-824c-7a7467783830"
	secretsUser   = "4633458b-17de-408a-b874-0445c86b69e6"
)

// Tenants, principals and scopes.
const (
	tenant  = "11111111-1111-1111-1111-111111111111"
	foreign = "99999999-9999-9999-9999-999999999999"

	alice = "aaaaaaaa-0000-0000-0000-000000000001" // a service principal in the directory
	bob   = "bbbbbbbb-0000-0000-0000-000000000002" // another
	team  = "cccccccc-0000-0000-0000-000000000003" // a group in the directory
	ghost = "dddddddd-0000-0000-0000-000000000004" // not in the directory

	sub   = "/subscriptions/22222222-2222-2222-2222-222222222222"
	sub2  = "/subscriptions/33333333-3333-3333-3333-333333333333"
	rg1   = sub + "/resourceGroups/rg1"
	rg10  = sub + "/resourceGroups/rg10"
	app   = rg1 + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	app2  = rg1 + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app2"
	fic   = app + "/federatedIdentityCredentials/f"
	outer = "/providers/Microsoft.Management/managementGroups/mg"

	uai = "Microsoft.ManagedIdentity/userAssignedIdentities/"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// directory is a PrincipalSource with a few principals of one tenant.
type directory map[string]string

func (d directory) PrincipalType(_ context.Context, tenantID, oid string) (string, error) {
	if typ, known := d[oid]; known && tenantID == tenant {
		return typ, nil
	}
	return "", fmt.Errorf("find %s: %w", oid, store.ErrNotFound)
}

type bench struct {
	*rbac.Service
	mu  sync.Mutex
	now time.Time
	ids int
}

func newBench(t testing.TB) *bench {
	b := &bench{now: start}
	st := storetest.Memory(t)
	b.Service = rbac.New(rbac.Config{
		Store: st, Now: b.clock,
		Log:        &activity.Log{Store: st, Now: b.clock, NewID: b.newID},
		Principals: directory{alice: "ServicePrincipal", bob: "ServicePrincipal", team: "Group"},
		Scope:      func(store.Tx, string, arm.ID) error { return nil },
	})
	return b
}

// authorize calls Authorize in a view of the store.
func (b *bench) authorize(ctx context.Context, caller rbac.Caller, action string, scope arm.ID) (allowed bool, err error) {
	err = b.Store.View(ctx, func(tx store.Tx) error {
		allowed, err = b.Authorize(tx, caller, arm.Fold(action), scope)
		return err
	})
	return allowed, err
}

func (b *bench) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(time.Second)
	return b.now
}

func (b *bench) newID() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ids++
	return guid(b.ids)
}

// guid returns the nth name.
func guid(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012x", n) }

func id(t testing.TB, s string) arm.ID {
	t.Helper()
	parsed, err := arm.ParseID(s)
	if err != nil {
		t.Fatalf("ParseID(%q): %v", s, err)
	}
	return parsed
}

// event returns the event of a write by the administrator.
func event() activity.Event { return activity.Event{TenantID: tenant, CallerObjectID: "admin"} }

// end calls DeleteScope for a scope. Config.Scope reports that the scope is being deleted.
func (b *bench) end(t testing.TB, scope string) {
	t.Helper()
	lasting := b.Scope
	b.Scope = func(store.Tx, string, arm.ID) error {
		return arm.Errorf(409, "ResourceGroupBeingDeleted", "It is being deleted.")
	}
	if err := b.DeleteScope(t.Context(), id(t, scope)); err != nil {
		t.Fatalf("DeleteScope(%s): %v", scope, err)
	}
	b.Scope = lasting
}

// assign creates an assignment and returns its name.
func (b *bench) assign(t testing.TB, principal, role, scope string) string {
	t.Helper()
	name := b.newID()
	_, err := b.PutAssignment(t.Context(), event(), rbac.Assignment{
		Name: name, Scope: scope, DefinitionID: role, PrincipalID: principal, PrincipalType: b.typeOf(principal),
	})
	if err != nil {
		t.Fatalf("give %s the role %s at %s: %v", principal, role, scope, err)
	}
	return name
}

func (b *bench) typeOf(principal string) string {
	if principal == team {
		return "Group"
	}
	return "ServicePrincipal"
}

func (b *bench) may(t testing.TB, caller rbac.Caller, action, scope string) bool {
	t.Helper()
	allowed, err := b.authorize(t.Context(), caller, action, id(t, scope))
	if err != nil {
		t.Fatalf("Authorize: %v", err)
	}
	return allowed
}

func as(oid string, groups ...string) rbac.Caller {
	return rbac.Caller{TenantID: tenant, ObjectID: oid, Groups: groups}
}

// records returns all records of role assignments, by key.
func (b *bench) records(t testing.TB) map[string]string {
	t.Helper()
	var all map[string]string
	err := b.Store.View(t.Context(), func(tx store.Tx) error {
		all = make(map[string]string)
		for _, prefix := range []string{"s/", "g/", "sn/", "sc/"} {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
				if err != nil {
					return err
				}
				all[rec.Key] = string(rec.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkRecords fails the test unless every assignment has its index entry and its name, there are no other
// records, and the counts are right.
func (b *bench) checkRecords(t testing.TB) {
	t.Helper()
	got := b.records(t)
	want := make(map[string]string)
	type tally struct {
		V           int `json:"v"`
		Assignments int `json:"assignments"`
		Owners      int `json:"owners"`
	}
	tallies := make(map[string]tally)
	for key := range got {
		if n, isCount := strings.CutPrefix(key, "sc/"); isCount {
			tallies[n] = tally{V: 1} // a count may be zero, but must be right
		}
	}
	for key, value := range got {
		if !strings.HasPrefix(key, "s/") {
			continue
		}
		var a rbac.Assignment
		if err := json.Unmarshal([]byte(value), &a); err != nil {
			t.Fatal(err)
		}
		name := arm.Fold(a.Name)
		scope, entry := strings.TrimSuffix(key[2:], "\x00"+name), a.TenantID+" "+name
		if a.Condition != nil {
			entry += " conditional"
		}
		want[key] = value
		want["g/"+a.PrincipalID+"\x00"+scope+"\x00"+a.DefinitionID] = entry
		want["sn/"+a.TenantID+"/"+name] = scope
		counted := id(t, a.Scope).Subscription()
		if counted == "" {
			counted = scope
		}
		n := tallies[counted]
		n.V = 1
		n.Assignments++
		if id(t, a.Scope).IsSubscription() && a.DefinitionID == owner && a.Condition == nil {
			n.Owners++
		}
		tallies[counted] = n
	}
	for subscription, n := range tallies {
		value, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		want["sc/"+subscription] = string(value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the records are inconsistent (-want +got):\n%s", diff)
	}
}

// codeOf is the code of an *arm.Error, or the text of another error.
func codeOf(err error) string {
	if e, ok := errors.AsType[*arm.Error](err); ok {
		return fmt.Sprintf("%d %s", e.Status, e.Code)
	}
	return fmt.Sprint(err)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
