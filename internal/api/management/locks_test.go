package management_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/lock"
	"midas/internal/resource"
	"midas/internal/store"
)

const (
	lockVersion = "?api-version=2016-09-01"
	lockedGroup = "{sub}/resourceGroups/rg"
	lockedJob   = lockedGroup + "/providers/Contoso.Apps/jobs/j"
	lockedStep  = lockedJob + "/steps/s"
	locksOf     = "/providers/Microsoft.Authorization/locks"
)

// lockStack has a group with a job, a step nested in it and an identity.
func lockStack(t *testing.T) *stack {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", lockedGroup+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", lockedJob+compute24, `{}`)
	s.want(t, 201, "owner", "PUT", lockedStep+compute24, `{}`)
	s.want(t, 201, "owner", "PUT", uaiPath+"app"+someVersion, `{"location":"eastus"}`)
	return s
}

func (s *stack) lock(t testing.TB, scope, name, level string) {
	t.Helper()
	s.want(t, 201, "owner", "PUT", scope+locksOf+"/"+name+lockVersion, `{"properties":{"level":"`+level+`"}}`)
}

// locked fails unless a request is refused because of a lock at a scope.
func (s *stack) locked(t testing.TB, verb, scope, method, path, body string) {
	t.Helper()
	w := s.do(t, "owner", method, path, body)
	want := "cannot perform " + verb + " operation because following scope(s) are locked: '" + strings.ReplaceAll(scope, "{sub}", "/subscriptions/"+sub) + "'. Please remove the lock and try again."
	if w.Code != 409 || !strings.Contains(w.Body.String(), `"ScopeLocked"`) || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%s %s: %d %s, want %q", method, path, w.Code, w.Body, want)
	}
}

func TestLocksAreCreatedReadChangedAndDeleted(t *testing.T) {
	s := lockStack(t)
	for _, scope := range []string{"{sub}", lockedGroup, lockedJob, lockedStep} {
		path := scope + locksOf + "/keep"
		w := s.want(t, 201, "owner", "PUT", path+lockVersion, `{"properties":{"level":"cannotdelete","notes":"ours","owners":[{"applicationId":"`+tenant+`"}]}}`)
		want := strings.ReplaceAll(`{"properties":{"level":"CanNotDelete","notes":"ours","owners":[{"applicationId":"`+tenant+`"}]},"id":"`+path+`","type":"Microsoft.Authorization/locks","name":"keep"}`, "{sub}", "/subscriptions/"+sub)
		if got := strings.TrimSpace(w.Body.String()); got != want {
			t.Errorf("created %s, want %s", got, want)
		}
		if w = s.want(t, 200, "owner", "PUT", path+lockVersion, `{"properties":{"level":"NotSpecified"}}`); strings.Contains(w.Body.String(), "notes") {
			t.Errorf("a PUT keeps the notes: %s", w.Body)
		}
		w = s.want(t, 200, "reader", "GET", path+"?api-version=2020-05-01", "")
		if !strings.Contains(w.Body.String(), `"systemData":{"createdBy":"`+s.callers["owner"].AppID+`","createdByType":"Application"`) {
			t.Errorf("no systemData: %s", w.Body)
		}
		for _, who := range []string{"contributor", "reader", "vmcontributor"} {
			s.want(t, 403, who, "PUT", path+lockVersion, `{"properties":{"level":"ReadOnly"}}`)
			s.want(t, 403, who, "DELETE", path+lockVersion, "")
		}
		s.want(t, 200, "owner", "DELETE", path+lockVersion, "")
		s.want(t, 204, "owner", "DELETE", path+lockVersion, "")
		if w := s.want(t, 404, "owner", "GET", path+lockVersion, ""); !strings.Contains(w.Body.String(), "LockNotFound") {
			t.Errorf("missing lock: %s", w.Body)
		}
	}
}

func TestBadLocksAreRefused(t *testing.T) {
	s := lockStack(t)
	for body, code := range map[string]string{
		``: "InvalidRequestContent", `{}`: "InvalidRequestContent", `{"properties":{}}`: "InvalidRequestContent",
		`{"properties":{"level":"Never"}}`:                                                                                                               "InvalidLockLevel",
		`{"properties":{"level":"ReadOnly","notes":"` + strings.Repeat("ü", 513) + `"}}`:                                                                 "InvalidLockNotes",
		`{"properties":{"level":"ReadOnly","owners":[{"applicationId":"me"}]}}`:                                                                          "InvalidLockOwners",
		`{"properties":{"level":"ReadOnly","owners":[` + strings.Repeat(`{"applicationId":"`+tenant+`"},`, 20) + `{"applicationId":"` + tenant + `"}]}}`: "InvalidLockOwners",
	} {
		if w := s.want(t, 400, "owner", "PUT", lockedGroup+locksOf+"/x"+lockVersion, body); !strings.Contains(w.Body.String(), `"`+code+`"`) {
			t.Errorf("%.60s: %s, want %s", body, w.Body, code)
		}
	}
	s.want(t, 201, "owner", "PUT", lockedGroup+locksOf+"/x"+lockVersion, `{"properties":{"level":"ReadOnly","notes":"`+strings.Repeat("ü", 512)+`"}}`)
	s.want(t, 200, "owner", "DELETE", lockedGroup+locksOf+"/x"+lockVersion, "")
	good := `{"properties":{"level":"ReadOnly"}}`
	s.want(t, 400, "owner", "PUT", lockedGroup+locksOf+"/"+strings.Repeat("n", 261)+lockVersion, good)
	s.want(t, 404, "owner", "PUT", "{sub}/resourceGroups/none"+locksOf+"/x"+lockVersion, good)
	s.want(t, 404, "owner", "PUT", lockedGroup+"/providers/Contoso.Apps/jobs/none"+locksOf+"/x"+lockVersion, good)
	s.want(t, 0, "owner", "GET", lockedGroup+locksOf+lockVersion, "")
	s.want(t, 400, "owner", "GET", lockedGroup+locksOf+lockVersion+"&$filter=level%20eq%20'ReadOnly'", "")
	for i := range lock.MaxAtScope {
		s.lock(t, lockedGroup, "n"+string(rune('a'+i)), "NotSpecified")
	}
	if w := s.want(t, 409, "owner", "PUT", lockedGroup+locksOf+"/more"+lockVersion, good); !strings.Contains(w.Body.String(), "LockLimitExceeded") {
		t.Errorf("21st lock: %s", w.Body)
	}
	s.want(t, 200, "owner", "PUT", lockedGroup+locksOf+"/NA"+lockVersion, `{"properties":{"level":"CanNotDelete"}}`)
}

// A list has the locks at the scope, above it and below it; with atScope(), those at the scope and above it.
func TestListsOfLocks(t *testing.T) {
	s := lockStack(t)
	s.lock(t, "{sub}", "one", "NotSpecified")
	s.lock(t, lockedGroup, "two", "CanNotDelete")
	s.lock(t, lockedJob, "three", "CanNotDelete")
	s.lock(t, lockedStep, "four", "NotSpecified")
	names := func(path string) (found []string) {
		for path != "" {
			var page struct {
				Value    []struct{ Name string }
				NextLink string
			}
			must(t, json.Unmarshal(s.want(t, 200, "reader", "GET", path, "").Body.Bytes(), &page))
			for _, l := range page.Value {
				found = append(found, l.Name)
			}
			path = strings.TrimPrefix(page.NextLink, origin)
		}
		return found
	}
	for path, want := range map[string][]string{
		"{sub}" + locksOf + lockVersion:                            {"one", "two", "three", "four"},
		"{sub}" + locksOf + lockVersion + "&$top=1":                {"one", "two", "three", "four"},
		"{sub}" + locksOf + lockVersion + "&$filter=atScope()":     {"one"},
		lockedGroup + locksOf + lockVersion:                        {"one", "two", "three", "four"},
		lockedGroup + locksOf + lockVersion + "&$filter=atScope()": {"one", "two"},
		uaiPath + "app" + locksOf + lockVersion:                    {"one", "two"},
		lockedStep + locksOf + lockVersion + "&$filter=ATSCOPE()":  {"one", "two", "three", "four"},
		lockedJob + locksOf + lockVersion + "&$filter=atScope()":   {"one", "two", "three"},
	} {
		if got := names(path); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestCanNotDeleteRefusesDeletionsOnly(t *testing.T) {
	s := lockStack(t)
	assignment := lockedJob + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + "?api-version=2022-04-01"
	body := `{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7","principalId":"` + s.callers["nobody"].ID + `"}}`
	s.lock(t, lockedJob, "keep", "CanNotDelete")
	s.want(t, 201, "owner", "PUT", assignment, body)
	s.want(t, 200, "owner", "PUT", lockedJob+compute24, `{"properties":{"a":1}}`)
	s.want(t, 200, "owner", "PATCH", lockedGroup+"/providers/Microsoft.Resources/tags/default"+core, `{"operation":"Merge","properties":{"tags":{"a":"b"}}}`)
	s.locked(t, "delete", lockedJob, "DELETE", lockedJob+compute24, "")
	s.locked(t, "delete", lockedJob, "DELETE", lockedStep+compute24, "")
	s.locked(t, "delete", lockedJob, "DELETE", assignment, "")
	s.locked(t, "delete", lockedJob, "DELETE", strings.ToUpper(strings.ReplaceAll(lockedStep, "{sub}", "/subscriptions/"+sub))+compute24, "")
	s.locked(t, "delete", lockedJob, "DELETE", lockedGroup+core, "")
	// Nothing is gone.
	s.want(t, 200, "owner", "GET", lockedStep+compute24, "")
	s.want(t, 200, "owner", "GET", uaiPath+"app"+someVersion, "")
	// A lock may be deleted under a lock, and another one created.
	s.lock(t, lockedJob, "second", "ReadOnly")
	s.want(t, 200, "owner", "DELETE", lockedJob+locksOf+"/second"+lockVersion, "")
	s.want(t, 200, "owner", "DELETE", lockedJob+locksOf+"/keep"+lockVersion, "")
	s.want(t, 200, "owner", "DELETE", assignment, "")
	s.want(t, 200, "owner", "DELETE", lockedJob+compute24, "")
}

// A lock below a scope forbids to delete the scope, and names the locked scopes.
func TestLocksBelowForbidToDeleteTheScope(t *testing.T) {
	s := lockStack(t)
	s.lock(t, lockedStep, "keep", "ReadOnly")
	s.lock(t, uaiPath+"app", "keep", "CanNotDelete")
	s.locked(t, "delete", lockedStep, "DELETE", lockedJob+compute24, "")
	s.locked(t, "delete", lockedStep+","+uaiPath+"app", "DELETE", lockedGroup+core, "")
	s.want(t, 200, "owner", "PUT", lockedJob+compute24, `{}`) // a lock below does not forbid to write above
}

func TestReadOnlyRefusesWritesAndActions(t *testing.T) {
	s := lockStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/free"+core, `{"location":"eastus"}`)
	s.lock(t, lockedGroup, "frozen", "ReadOnly")
	s.locked(t, "write", lockedGroup, "PUT", lockedJob+compute24, `{}`)
	s.locked(t, "write", lockedGroup, "PATCH", uaiPath+"app"+someVersion, `{"tags":{"a":"b"}}`)
	s.locked(t, "write", lockedGroup, "PUT", lockedGroup+core, `{"location":"eastus"}`)
	s.locked(t, "write", lockedGroup, "PATCH", lockedJob+"/providers/Microsoft.Resources/tags/default"+core, `{}`)
	s.locked(t, "write", lockedGroup, "PUT", uaiPath+"app/federatedIdentityCredentials/f"+someVersion, `{}`)
	s.locked(t, "write", lockedGroup, "POST", uaiPath+"app/revokeTokens?api-version=2023-07-31-preview", "")
	s.locked(t, "write", lockedGroup, "PUT", lockedGroup+"/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01", `{}`)
	// A machine elsewhere cannot get an identity that is locked, because that is an action on the identity.
	s.locked(t, "write", lockedGroup, "PUT", "{sub}/resourceGroups/free/providers/Microsoft.Compute/virtualMachines/m"+compute24,
		`{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"`+strings.ReplaceAll(uaiPath, "{sub}", "/subscriptions/"+sub)+`app":{}}}}`)
	for _, path := range []string{lockedGroup + core, lockedJob + compute24, uaiPath + "app" + someVersion} {
		s.want(t, 200, "owner", "GET", path, "")
	}
	s.want(t, 403, "reader", "PUT", lockedJob+compute24, `{}`) // whoever has no right does not learn of locks
}

// A subscription with a lock, at itself or below, is not cancelled, by none of the paths that do it.
func TestLocksForbidToCancelTheSubscription(t *testing.T) {
	s := lockStack(t)
	s.lock(t, lockedStep, "keep", "CanNotDelete")
	for _, path := range []string{"{sub}/providers/Microsoft.Subscription/cancel", "/providers/Microsoft.Subscription/subscriptions/" + sub + "/cancel"} {
		w := s.do(t, "owner", "POST", path+"?api-version=2021-10-01&IgnoreResourceCheck=true", "")
		if w.Code != 409 || !strings.Contains(w.Body.String(), "ScopeLocked") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	s.lock(t, "{sub}", "frozen", "ReadOnly")
	for _, path := range []string{"{sub}/providers/Microsoft.Subscription/rename", "/providers/Microsoft.Subscription/subscriptions/" + sub + "/rename"} {
		w := s.do(t, "owner", "POST", path+"?api-version=2021-10-01", `{"subscriptionName":"x"}`)
		if w.Code != 409 || !strings.Contains(w.Body.String(), "ScopeLocked") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// Every operation of the table is refused under a ReadOnly lock at the subscription, unless it reads. The operations
// that say otherwise than their method are named here. A row that is added to the table is tested without a change.
func TestEveryOperationHeedsLocks(t *testing.T) {
	exceptions := []string{
		"PUT Microsoft.Authorization/locks", "DELETE Microsoft.Authorization/locks", // locks do not protect locks
		"POST Microsoft.Authorization/checkAccess", "POST Midas.Authorization/explain", // they only answer a question
	}
	s := newStackOf(t, func(h *management.Handler) {
		h.Namespaces = []string{"Contoso.Apps"}
		h.Fleet = fleet.New(fleet.Config{
			Store: h.Store, Log: h.Activity, Resources: h.Resources, Identities: h.Identities,
			Logger: slog.New(slog.DiscardHandler), Now: h.Now, NewID: h.NewID,
		})
	})
	s.want(t, 201, "owner", "PUT", lockedGroup+core, `{"location":"eastus"}`)
	s.lock(t, "{sub}", "frozen", "ReadOnly")
	refused := 0
	for _, op := range s.management.Surface() {
		for _, at := range []arm.Level{arm.AtSubscription, arm.AtGroup, arm.AtResource} {
			if op.At&at == 0 {
				continue
			}
			path, want := pathOf(op, at), op.Method != http.MethodGet && op.Method != http.MethodHead
			if slices.Contains(exceptions, strings.TrimSuffix(op.Method+" "+string(op.Type)+"/"+op.Verb, "/")) {
				want = false
			}
			w := s.do(t, "owner", op.Method, path, "")
			if got := w.Code == 409 && strings.Contains(w.Body.String(), "ScopeLocked"); got != want {
				t.Errorf("%s %s: %d %s, refused %v, want %v", op.Method, path, w.Code, w.Body, got, want)
			}
			if want {
				refused++
			}
		}
	}
	if refused < 30 {
		t.Errorf("only %d operations were refused", refused)
	}
	// So are those on types that are not in the table.
	s.locked(t, "write", "{sub}", "PUT", lockedJob+compute24, `{}`)
	s.locked(t, "delete", "{sub}", "DELETE", lockedGroup+"/providers/Contoso.Other/things/x"+compute24, "")
}

// A lock that is created after a request was admitted refuses it in its transaction.
func TestALockIsHeededInTheTransaction(t *testing.T) {
	s := lockStack(t)
	body := &late{text: `{"properties":{"a":1}}`, first: func() { s.lock(t, lockedJob, "late", "ReadOnly") }}
	r := httptest.NewRequest("PUT", strings.ReplaceAll(lockedJob, "{sub}", "/subscriptions/"+sub)+compute24, body)
	r.Header.Set("Authorization", "Bearer "+s.token(t, "owner"))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != 409 || !strings.Contains(w.Body.String(), "ScopeLocked") {
		t.Errorf("a write after the lock: %d %s", w.Code, w.Body)
	}
	s.want(t, 200, "owner", "DELETE", lockedJob+locksOf+"/late"+lockVersion, "")

	// The lock comes while the transaction that accepts the deletion of the group runs.
	locked := false
	s.resources.Ending = func(store.Tx, resource.Record, arm.ID) error {
		if !locked {
			locked = true
			s.lock(t, lockedStep, "late", "CanNotDelete")
		}
		return nil
	}
	s.locked(t, "delete", lockedStep, "DELETE", lockedGroup+core, "")
	s.want(t, 200, "owner", "GET", lockedStep+compute24, "")
	s.want(t, 200, "owner", "GET", uaiPath+"app"+someVersion, "")
}

// late is a body that calls first before its first byte is read.
type late struct {
	text  string
	first func()
	read  bool
}

func (b *late) Read(p []byte) (int, error) {
	if b.read {
		return 0, io.EOF
	}
	b.first()
	b.read = true
	return copy(p, b.text), nil
}

// Nothing can be locked while it is being deleted, and the locks of a deleted scope do not come back with it.
func TestLocksEndWithTheirScope(t *testing.T) {
	s := lockStack(t)
	s.lock(t, lockedStep, "note", "NotSpecified")
	s.lock(t, lockedGroup, "note", "NotSpecified")
	s.want(t, 200, "owner", "DELETE", lockedJob+compute24, "")
	s.want(t, 404, "owner", "GET", lockedStep+locksOf+"/note"+lockVersion, "")
	w := s.want(t, 202, "owner", "DELETE", lockedGroup+core, "")
	eventually(t, func() bool {
		return s.do(t, "owner", "GET", strings.TrimPrefix(w.Header().Get("Location"), origin), "").Code == 200
	})
	s.want(t, 201, "owner", "PUT", lockedGroup+core, `{"location":"eastus"}`)
	s.want(t, 404, "owner", "GET", lockedGroup+locksOf+"/note"+lockVersion, "")
	err := s.store.View(t.Context(), func(tx store.Tx) error {
		for _, prefix := range []string{store.LockKind.Keys, store.LockCount.Keys} {
			for rec, err := range tx.Scan(store.Range{Prefix: prefix}) {
				must(t, err)
				t.Errorf("%s is left", rec.Key)
			}
		}
		return nil
	})
	must(t, err)
}

func TestRefusalsByLocksAreInTheActivityLog(t *testing.T) {
	s := lockStack(t)
	s.lock(t, lockedJob, "keep", "CanNotDelete")
	s.locked(t, "delete", lockedJob, "DELETE", lockedJob+compute24, "")
	page, err := s.log.Query(context.Background(), activity.Query{Since: s.now().Add(-time.Hour), SubscriptionID: sub})
	must(t, err)
	if !slices.ContainsFunc(page.Events, func(e activity.Event) bool {
		return e.ErrorCode == "ScopeLocked" && e.Code == 409 && e.Status == activity.Failed && strings.HasSuffix(e.ResourceID, "/jobs/j")
	}) {
		t.Errorf("no event of the refusal in %d events", len(page.Events))
	}
}
