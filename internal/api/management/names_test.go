package management_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/token"
)

const authorization22 = "?api-version=2022-04-01"

// consistent fails the test if anything in the store does not lie under the key of its id.
func (s *stack) consistent(t testing.TB) {
	t.Helper()
	must(t, s.store.View(context.WithoutCancel(t.Context()), func(tx store.Tx) error {
		for _, all := range []func(store.Tx) func(func(error) bool){
			func(tx store.Tx) func(func(error) bool) { return resource.Inconsistencies(tx) },
			func(tx store.Tx) func(func(error) bool) { return rbac.Inconsistencies(tx) },
			func(tx store.Tx) func(func(error) bool) { return lock.Inconsistencies(tx) },
			func(tx store.Tx) func(func(error) bool) { return identity.Inconsistencies(tx) },
		} {
			for err := range all(tx) {
				if !errors.Is(err, store.ErrNewerVersion) { // some tests write such records
					t.Error(err)
				}
			}
		}
		return nil
	}))
}

// as sends a request with a token that was made before: for those who send many.
func (s *stack) as(t testing.TB, raw, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// assignmentBody gives a caller a role.
func (s *stack) assignmentBody(t testing.TB, role, caller string) string {
	t.Helper()
	for _, d := range builtinRoles() {
		if d.RoleName == role {
			return fmt.Sprintf(`{"properties":{"roleDefinitionId":"/subscriptions/%s/providers/Microsoft.Authorization/roleDefinitions/%s","principalId":"%s"}}`,
				sub, d.ID, s.callers[caller].ID)
		}
	}
	t.Fatalf("no role %q", role)
	return ""
}

// folding are characters that some notion of sameness takes for a letter of ASCII, or that look like
// it, by that letter.
var folding = sync.OnceValue(func() map[rune][]rune {
	all := map[rune][]rune{'i': {'і', 'í'}, 's': {'ß', 'ѕ'}}
	for c := 'a'; c <= 'z'; c++ {
		all[c] = append(all[c], c-'a'+'ａ', c-'a'+'Ａ')
	}
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		for c := unicode.SimpleFold(r); c != r; c = unicode.SimpleFold(c) {
			if 'a' <= c && c <= 'z' {
				all[c] = append(all[c], r)
			}
		}
		if lower := unicode.ToLower(r); 'a' <= lower && lower <= 'z' && !slices.Contains(all[lower], r) {
			all[lower] = append(all[lower], r)
		}
		if upper := unicode.ToUpper(r); 'A' <= upper && upper <= 'Z' && !slices.Contains(all[upper+'a'-'A'], r) {
			all[upper+'a'-'A'] = append(all[upper+'a'-'A'], r)
		}
	}
	return all
})

// spoiledWords yields a path with one letter of one of its words replaced by a character that some
// take for that letter, escaped as in a request.
func spoiledWords(path string, word int) (all []string) {
	segments := strings.Split(path, "/")
	for i, c := range segments[word] {
		for _, r := range folding()[unicode.ToLower(c)] {
			spoiled := append([]string(nil), segments...)
			spoiled[word] = segments[word][:i] + url.PathEscape(string(r)) + segments[word][i+1:]
			all = append(all, strings.Join(spoiled, "/"))
		}
	}
	return all
}

func TestPathWordsOutsideASCIIAreRefused(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg1"+core, `{"location":"eastus"}`)
	vm := "/subscriptions/" + sub + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm"
	s.want(t, 201, "owner", "PUT", vm+compute24, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	assignment := vm + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()
	body := s.assignmentBody(t, "Reader", "nobody")
	tried, raw := 0, s.token(t, "owner")
	for _, c := range []struct {
		path, version, body string
		words               []int // the segments of the path that are words
	}{
		{vm, compute24, `{"location":"eastus"}`, []int{1, 3, 5, 6, 7}},
		{assignment, authorization22, body, []int{1, 3, 5, 6, 7, 9, 10, 11}},
		{"/subscriptions/" + sub + "/resourceGroups/rg1", core, `{"location":"eastus"}`, []int{1, 3}},
	} {
		for _, word := range c.words {
			for _, path := range spoiledWords(c.path, word) {
				for _, method := range []string{"PUT", "GET", "DELETE", "PATCH"} {
					tried++
					w := s.as(t, raw, method, path+c.version, c.body)
					if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"code":"InvalidRequestUri"`) {
						t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
					}
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d requests", tried)
	}
}

// The first attack: the owner of one machine makes an assignment at it that the machine's own path
// does not show and that outlives the machine.
func TestRespelledScopeHidesNoAssignment(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	vm := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
	s.want(t, 201, "owner", "PUT", vm+compute24, `{"location":"eastus"}`)
	s.assign(t, "nobody", "Owner", vm)
	name := uuid.NewString()
	hidden := strings.Replace(vm, "subscriptions", "subscr%C4%B0ptions", 1) + "/providers/Microsoft.Authorization/roleAssignments/" + name + authorization22
	s.want(t, 400, "nobody", "PUT", hidden, s.assignmentBody(t, "Reader", "vmcontributor"))
	s.want(t, 404, "owner", "GET", vm+"/providers/Microsoft.Authorization/roleAssignments/"+name+authorization22, "")
}

// A path with "providers" in another spelling must not reach the resource of a provider.
func TestRespelledPathReachesNoResource(t *testing.T) {
	s := newStackOf(t, contoso)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	job := "/subscriptions/" + sub + "/resourceGroups/rg/providers/Contoso.Apps/jobs/x"
	s.want(t, 201, "owner", "PUT", job+compute24, `{"location":"eastus"}`)
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		s.want(t, 403, "vmcontributor", method, job+compute24, `{"location":"eastus"}`)
		s.want(t, 400, "vmcontributor", method, strings.Replace(job, "providers", "prov%C4%B0ders", 1)+compute24, `{"location":"eastus"}`)
	}
}

// The second attack: two groups under one id.
func TestAGroupHasOneKey(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg1"+core, `{"location":"eastus"}`)
	s.want(t, 400, "owner", "PUT", "{sub}/re%C5%BFourceGroups/rg1"+core, `{"location":"westus"}`)
	s.want(t, 200, "owner", "PUT", "{sub}/RESOURCEGROUPS/RG1"+core, `{"location":"eastus"}`)
	var list struct{ Value []struct{ ID string } }
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/resourceGroups"+core, ""), &list)
	if len(list.Value) != 1 {
		t.Errorf("%d groups: %v", len(list.Value), list.Value)
	}
}

// No caller of one tenant reaches the other's subscription, however the path is spelled.
func TestNoPathSpellingReachesAnotherTenant(t *testing.T) {
	s := newStackOf(t, contoso)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	theirs := "/subscriptions/" + otherSub + "/resourceGroups/rg"
	_, _, err := s.resources.WriteGroup(t.Context(), activity.Event{TenantID: otherTenant}, parseID(t, theirs), func(old resource.Record) (resource.Record, error) {
		old.Location = "eastus"
		return old, nil
	})
	must(t, err)
	must(t, errOf(s.rbac.PutAssignment(t.Context(), activity.Event{TenantID: tenant, CallerObjectID: tenant}, rbac.Assignment{
		Name: uuid.NewString(), Scope: "/", TenantID: tenant, DefinitionID: rbac.OwnerID, PrincipalID: s.callers["owner"].ID,
	})))
	raw := s.token(t, "owner")
	for _, path := range []string{theirs, theirs + "/providers/Contoso.Apps/jobs/x", "/subscriptions/" + otherSub,
		theirs + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString()} {
		for _, word := range []int{1, 3, 5} {
			if word >= len(strings.Split(path, "/")) {
				continue
			}
			for _, spelled := range append(spoiledWords(path, word), path, strings.ToUpper(path), "/"+path, strings.ReplaceAll(path, "/", "//")) {
				for _, method := range []string{"GET", "PUT", "DELETE"} {
					w := s.as(t, raw, method, spelled+core, `{"location":"eastus"}`)
					if w.Code < 400 || w.Code >= 500 {
						t.Errorf("%s %s: %d %s", method, spelled, w.Code, w.Body)
					}
				}
			}
		}
	}
}

// A type whose last word is a subscription's id has a list key that begins like those of its parent
// type in that subscription.
func TestTypeNamedLikeASubscriptionIsNotListedInIt(t *testing.T) {
	s := newStackOf(t, contoso)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, typ := range []string{"Microsoft.Compute/virtualMachines", "Contoso.Apps/jobs"} {
		parent := "{sub}/resourceGroups/rg/providers/" + typ + "/p"
		s.want(t, 201, "owner", "PUT", parent+compute24, `{"location":"eastus"}`)
		s.want(t, 201, "owner", "PUT", parent+"/"+otherSub+"/x"+compute24, `{"location":"eastus"}`)
		found, err := s.resources.List(t.Context(), parseID(t, "/subscriptions/"+otherSub), arm.Type(typ), resource.Part{Limit: 10})
		must(t, err)
		if len(found.Records) > 0 {
			t.Errorf("the other subscription lists %s", found.Records[0].ID)
		}
	}
}

func TestUnicodeGroupNames(t *testing.T) {
	s := newStack(t)
	for name, want := range map[string]int{
		"Größe": 201, "名前": 201, "İstanbul": 201, "istanbul": 201, "\u212aelvin": 201, "kelvin": 201, "ſ": 201, "s": 201,
		"e\u0301": 400, "a b": 400, "a\u200bb": 400, "a\u202eb": 400, "🙂": 400, "a.": 400, "\u3164": 400, "½": 400,
	} {
		path := "{sub}/resourceGroups/" + url.PathEscape(name)
		s.want(t, want, "owner", "PUT", path+core, `{"location":"eastus"}`)
		if want != 201 {
			continue
		}
		s.want(t, 200, "owner", "GET", "{sub}/resourceGroups/"+url.PathEscape(arm.Fold(name))+core, "")
		vm := path + "/providers/Microsoft.Compute/virtualMachines/" + url.PathEscape("vm-"+name) + compute24
		s.want(t, 201, "owner", "PUT", vm, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	}
	var list struct{ Value []struct{ ID string } }
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/resourceGroups"+core, ""), &list)
	if len(list.Value) != 8 {
		t.Errorf("%d groups", len(list.Value))
	}
}

func TestBadTypesInFiltersAreRefused(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", uaiPath+"app?api-version=2023-01-31", `{"location":"eastus"}`)
	for _, typ := range []string{"Microſoft.Compute/virtualMachines", "Microsoft.Compute/vİrtualMachines", "Microsoft.Compute", "a//b", "a/b/", "/a/b", "a/b c", "a/\u212a"} {
		filter := url.QueryEscape("resourceType eq '" + typ + "'")
		s.want(t, 400, "owner", "GET", "{sub}/resources"+core+"&$filter="+filter, "")
		filter = url.QueryEscape("type eq '" + typ + "'")
		s.want(t, 400, "owner", "POST", uaiPath+"app/listAssociatedResources?api-version=2022-01-31-preview&$filter="+filter, "")
	}
	since := url.QueryEscape("eventTimestamp ge '" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + "' and resourceProvider eq 'Microſoft.Compute'")
	s.want(t, 400, "owner", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+since, "")
}

// A record under a key that is not that of its id, as an earlier Midas could write it, is shown to
// nobody, and goes with the group in whose key it lies.
func TestMisplacedRecordIsNotReturned(t *testing.T) {
	s := newStackOf(t, contoso)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	job := "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/"
	s.want(t, 201, "owner", "PUT", job+"x"+compute24, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", job+"y"+compute24, `{"location":"eastus"}`)
	key := "r/" + arm.Fold(strings.ReplaceAll(job, "{sub}", "/subscriptions/"+sub))
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		rec, err := tx.Get(key + "y")
		if err == nil {
			tx.Put(key+"x", rec.Value)
		}
		return err
	})
	must(t, err)
	s.want(t, 500, "owner", "GET", job+"x"+compute24, "")
	s.want(t, 500, "owner", "PUT", job+"x"+compute24, `{"location":"eastus"}`)
	s.want(t, 200, "owner", "GET", job+"y"+compute24, "")
	found := 0
	must(t, s.store.View(t.Context(), func(tx store.Tx) error {
		for range resource.Inconsistencies(tx) {
			found++
		}
		return nil
	}))
	if found == 0 {
		t.Error("the misplaced record is not found")
	}
	s.want(t, 202, "owner", "DELETE", "{sub}/resourceGroups/rg"+core, "")
	eventually(t, func() bool { return s.do(t, "owner", "GET", "{sub}/resourceGroups/rg"+core, "").Code == 404 })
}

func TestSubscriptionWithoutTenantIsInaccessible(t *testing.T) {
	s := newStack(t)
	const orphan = "77777777-7777-7777-7777-777777777777"
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error { return s.resources.EnsureSubscription(tx, "", orphan, "Orphan") })
	must(t, err)
	must(t, errOf(s.rbac.PutAssignment(t.Context(), activity.Event{TenantID: tenant, CallerObjectID: tenant}, rbac.Assignment{
		Name: uuid.NewString(), Scope: "/", TenantID: tenant, DefinitionID: rbac.OwnerID, PrincipalID: s.callers["owner"].ID,
	})))
	s.want(t, 500, "owner", "GET", "/subscriptions/"+orphan+core, "")
	foreign := s.mint(t, token.Claims{Audience: audience, Subject: "x", ObjectID: "x", AppID: "x", TenantID: otherTenant, Expires: s.now().Add(time.Hour)})
	r := httptest.NewRequest("GET", "/subscriptions/"+orphan+core, nil)
	r.Header.Set("Authorization", "Bearer "+foreign)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code < 400 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func contoso(h *management.Handler) { h.Namespaces = []string{"Contoso.Apps", "Microsoft.Compute"} }

func parseID(t testing.TB, s string) arm.ID {
	t.Helper()
	id, err := arm.ParseID(s)
	must(t, err)
	return id
}

func errOf[T any](_ T, err error) error { return err }

func eventually(t testing.TB, holds func() bool) {
	t.Helper()
	for range 500 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it never held")
}
