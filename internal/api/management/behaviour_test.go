package management_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"midas/internal/activity"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

const (
	core       = "?api-version=2021-04-01"
	identities = "{sub}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities"
)

func TestPagesFollowNextLinkToTheEnd(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	var want []string
	for i := range 23 {
		name := fmt.Sprintf("id%02d", i)
		s.want(t, 201, "owner", "PUT", identities+"/"+name+"?api-version=2023-01-31", `{"location":"eastus"}`)
		want = append(want, name)
	}
	for _, list := range []string{
		identities + "?api-version=2023-01-31&$top=5",
		"{sub}/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31&$top=5",
		"{sub}/resources" + core + "&$top=5",
		"{sub}/resourceGroups/rg/resources" + core + "&$top=5&$filter=" + url.QueryEscape("resourceType eq 'Microsoft.ManagedIdentity/userAssignedIdentities'"),
	} {
		names, pages := s.collect(t, list)
		if diff := cmp.Diff(want, names); diff != "" || pages != 5 {
			t.Errorf("%s: %d pages (-want +got)\n%s", list, pages, diff)
		}
	}
}

// collect reads all pages of a list as reader and gives the names in it.
func (s *stack) collect(t *testing.T, path string) (names []string, pages int) {
	t.Helper()
	for next := path; next != ""; pages++ {
		var page struct {
			Value    []struct{ Name string }
			NextLink string
		}
		decode(t, s.want(t, 200, "reader", "GET", next, ""), &page)
		for _, entry := range page.Value {
			names = append(names, entry.Name)
		}
		next = strings.TrimPrefix(page.NextLink, origin)
	}
	return names, pages
}

func TestSkipTokensAreBoundToTheirList(t *testing.T) {
	s := newStack(t)
	for _, group := range []string{"rg", "rg2", "rg3"} {
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+group+core, `{"location":"eastus"}`)
	}
	for i := range 3 {
		s.want(t, 201, "owner", "PUT", fmt.Sprint(identities, "/id", i, "?api-version=2023-01-31"), `{"location":"eastus"}`)
	}
	var page struct{ NextLink string }
	decode(t, s.want(t, 200, "owner", "GET", identities+"?api-version=2023-01-31&$top=1", ""), &page)
	link, err := url.Parse(page.NextLink)
	must(t, err)
	stolen := "&$skiptoken=" + url.QueryEscape(link.Query().Get("$skiptoken"))
	s.want(t, 200, "owner", "GET", identities+"?api-version=2023-01-31"+stolen, "")
	s.want(t, 400, "owner", "GET", "{sub}/resourceGroups"+core+stolen, "")
	s.want(t, 400, "owner", "GET", strings.Replace(identities, "/rg/", "/rg2/", 1)+"?api-version=2023-01-31"+stolen, "")
	s.want(t, 400, "owner", "GET", identities+"?api-version=2023-01-31&$skiptoken=abc", "")
	s.want(t, 400, "owner", "GET", identities+"?api-version=2023-01-31"+stolen+strings.ToUpper("&$skiptoken=abc")+"&API-Version=2018-11-30", "")
	names, pages := s.collect(t, identities+"?api-version=2023-01-31&$Top=1"+strings.Replace(stolen, "skiptoken", "skipToken", 1))
	if diff := cmp.Diff([]string{"id1", "id2"}, names); diff != "" || pages != 2 {
		t.Errorf("with names of parameters in another case: %d pages (-want +got)\n%s", pages, diff)
	}
	s.want(t, 400, "owner", "GET", identities+"?api-version=2023-01-31&$top=0", "")
}

func TestGroupDeletionIsPolledUntilDone(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for i := range 30 {
		s.want(t, 201, "owner", "PUT", fmt.Sprint(identities, "/id", i, "?api-version=2023-01-31"), `{"location":"eastus"}`)
	}
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg")
	w := s.want(t, 202, "owner", "DELETE", "{sub}/resourceGroups/rg"+core, "")
	poll := strings.TrimPrefix(w.Header().Get("Location"), origin)
	if poll == "" || w.Header().Get("Retry-After") == "" {
		t.Fatalf("nothing to poll: %v", w.Header())
	}
	for w = s.do(t, "owner", "GET", poll, ""); w.Code == 202; w = s.do(t, "owner", "GET", poll, "") {
		time.Sleep(time.Millisecond)
	}
	if w.Code != 200 {
		t.Fatalf("the operation ended with %d %s", w.Code, w.Body)
	}
	s.want(t, 404, "owner", "GET", "{sub}/resourceGroups/rg"+core, "")
	s.want(t, 404, "owner", "HEAD", "{sub}/resourceGroups/rg"+core, "")
	s.want(t, 404, "owner", "DELETE", "{sub}/resourceGroups/rg"+core, "")
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"westus"}`)
	s.want(t, 403, "nobody", "GET", "{sub}/resourceGroups/rg"+core, "")
	if names, _ := s.collect(t, "{sub}/resources"+core); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestTheActivityLogHasEveryWriteAndEveryRefusal(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 400, "owner", "PUT", identities+"/app?api-version=2023-01-31", `{}`)
	s.want(t, 201, "owner", "PUT", identities+"/app?api-version=2023-01-31", `{"location":"eastus"}`)
	s.want(t, 403, "nobody", "PUT", identities+"/app?api-version=2023-01-31", `{"location":"eastus"}`)
	s.want(t, 200, "owner", "DELETE", identities+"/app?api-version=2023-01-31", "")
	s.want(t, 204, "owner", "DELETE", identities+"/app?api-version=2023-01-31", "")
	filter := url.QueryEscape("eventTimestamp ge '" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339) + "' and resourceProvider eq 'Microsoft.ManagedIdentity'")
	var page struct {
		Value []struct {
			OperationName, Status struct{ Value string }
			Caller                string
		}
	}
	decode(t, s.want(t, 200, "reader", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+filter, ""), &page)
	var got []string
	for _, e := range page.Value {
		got = append(got, e.OperationName.Value+" "+e.Status.Value+" "+e.Caller)
	}
	owner, nobody := s.callers["owner"].AppID, s.callers["nobody"].AppID
	want := []string{
		"Microsoft.ManagedIdentity/userAssignedIdentities/delete Succeeded " + owner,
		"Microsoft.ManagedIdentity/userAssignedIdentities/delete Started " + owner,
		"Microsoft.ManagedIdentity/userAssignedIdentities/write Failed " + nobody,
		"Microsoft.ManagedIdentity/userAssignedIdentities/write Succeeded " + owner,
		"Microsoft.ManagedIdentity/userAssignedIdentities/write Started " + owner,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("newest first (-want +got)\n%s", diff)
	}
	s.want(t, 400, "reader", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01", "")
}

// TestActionsWithoutEffectAreLogged also wants the address of each without its query.
func TestActionsWithoutEffectAreLogged(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.want(t, 201, "owner", "PUT", setPath+compute24, `{"location":"eastus"}`)
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.ManagedIdentity/register"+core+"&secret=s", "")
	s.want(t, 404, "owner", "POST", "{sub}/providers/Contoso/register"+core, "")
	s.want(t, 202, "owner", "POST", setPath+"/manualUpgrade"+compute24, `{"instanceIds":["0"]}`)
	s.want(t, 404, "owner", "POST", setPath+"x/manualUpgrade"+compute24, `{"instanceIds":["0"]}`)
	page, err := s.log.Query(t.Context(), activity.Query{Since: time.Now().Add(-time.Hour), SubscriptionID: sub})
	must(t, err)
	var got []string
	for _, e := range page.Events {
		if e.Method == "POST" {
			got = append(got, fmt.Sprint(e.Operation, " ", e.Status, " ", e.Code, " ", e.URI))
		}
	}
	base := origin + "/subscriptions/" + sub
	want := []string{
		"Microsoft.Compute/virtualMachineScaleSets/manualUpgrade/action Succeeded 202 " + base + strings.TrimPrefix(setPath, "{sub}") + "/manualUpgrade" + compute24,
		"Microsoft.ManagedIdentity/register/action Succeeded 200 " + base + "/providers/Microsoft.ManagedIdentity/register" + core,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("newest first (-want +got)\n%s", diff)
	}
}

func TestTokensOfOtherAudiencesAndTenantsAreRefused(t *testing.T) {
	s := newStack(t)
	good := token.Claims{Audience: audience, Subject: s.callers["owner"].ID, ObjectID: s.callers["owner"].ID, AppID: s.callers["owner"].AppID, TenantID: tenant, Expires: s.now().Add(time.Hour)}
	with := func(change func(*token.Claims)) string {
		c := good
		change(&c)
		return s.mint(t, c)
	}
	for name, c := range map[string]struct {
		raw  string
		code string
	}{
		"another resource": {with(func(c *token.Claims) { c.Audience = "https://vault.azure.net" }), "InvalidAuthenticationTokenAudience"},
		"prefix of ours":   {with(func(c *token.Claims) { c.Audience = "https://management.azure.com.evil.test/" }), "InvalidAuthenticationTokenAudience"},
		"another tenant":   {with(func(c *token.Claims) { c.TenantID = otherTenant }), "InvalidAuthenticationTokenTenant"},
		"tampered":         {with(func(*token.Claims) {}) + "x", "InvalidAuthenticationToken"},
		"garbage":          {"garbage", "InvalidAuthenticationToken"},
		"nothing":          {"", "InvalidAuthenticationToken"},
	} {
		t.Run(name, func(t *testing.T) {
			if w := s.bearer(c.raw); w.Code != 401 || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
				t.Errorf("%d %s, want %s", w.Code, w.Body, c.code)
			}
		})
	}
	for _, aud := range []string{"https://management.core.windows.net/", "https://management.core.windows.net", audience, strings.TrimSuffix(audience, "/"), origin, origin + "/"} {
		if w := s.bearer(with(func(c *token.Claims) { c.Audience = aud })); w.Code != 200 {
			t.Errorf("audience %s: %d %s", aud, w.Code, w.Body)
		}
	}
}

func TestExpiredTokensAreRefused(t *testing.T) {
	now := time.Now()
	s := newStackAt(t, func() time.Time { return now })
	raw := s.token(t, "owner")
	if w := s.bearer(raw); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	now = now.Add(time.Hour)
	if w := s.bearer(raw); w.Code != 401 || !strings.Contains(w.Body.String(), "ExpiredAuthenticationToken") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestGroupRolesApplyToCurrentMembers(t *testing.T) {
	s := newStack(t)
	outer, inner := uuid.NewString(), uuid.NewString()
	nobody := s.callers["nobody"].ID
	s.update(t, func(tx store.Tx) error {
		return errors.Join(
			s.directory.CreateGroup(tx, directory.Group{ID: outer, TenantID: tenant, DisplayName: "outer"}),
			s.directory.CreateGroup(tx, directory.Group{ID: inner, TenantID: tenant, DisplayName: "inner"}),
			s.directory.AddMember(tx, tenant, outer, inner),
		)
	})
	s.callers["outer"] = directory.ServicePrincipal{ID: outer}
	s.assign(t, "outer", "Reader", "/subscriptions/"+sub)
	s.want(t, 403, "nobody", "GET", "{sub}/resourceGroups"+core, "")
	s.update(t, func(tx store.Tx) error { return s.directory.AddMember(tx, tenant, inner, nobody) })
	s.want(t, 200, "nobody", "GET", "{sub}/resourceGroups"+core, "")
	for name, ends := range map[string]struct{ end, begin func(tx store.Tx) error }{
		"the caller leaves the inner group": {
			func(tx store.Tx) error { return s.directory.RemoveMember(tx, tenant, inner, nobody) },
			func(tx store.Tx) error { return s.directory.AddMember(tx, tenant, inner, nobody) },
		},
		"the inner group leaves the outer group": {
			func(tx store.Tx) error { return s.directory.RemoveMember(tx, tenant, outer, inner) },
			func(tx store.Tx) error { return s.directory.AddMember(tx, tenant, outer, inner) },
		},
		"the inner group is deleted": {
			func(tx store.Tx) error { return s.directory.DeleteGroup(tx, tenant, inner) },
			func(tx store.Tx) error {
				return s.directory.CreateGroup(tx, directory.Group{ID: inner, TenantID: tenant, DisplayName: "inner"})
			},
		},
	} {
		s.update(t, ends.end)
		if w := s.do(t, "nobody", "GET", "{sub}/resourceGroups"+core, ""); w.Code != 403 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		s.update(t, ends.begin)
		s.want(t, 200, "nobody", "GET", "{sub}/resourceGroups"+core, "")
	}
}

// TestAssignedToIncludesAssignmentsOfGroups assigns roles to a principal, to its group and to the group of that
// group. assignedTo lists all three and no others; principalId lists only the first.
func TestAssignedToIncludesAssignmentsOfGroups(t *testing.T) {
	s := newStack(t)
	outer, inner, nobody := uuid.NewString(), uuid.NewString(), s.callers["nobody"].ID
	s.update(t, func(tx store.Tx) error {
		return errors.Join(
			s.directory.CreateGroup(tx, directory.Group{ID: outer, TenantID: tenant, DisplayName: "outer"}),
			s.directory.CreateGroup(tx, directory.Group{ID: inner, TenantID: tenant, DisplayName: "inner"}),
			s.directory.AddMember(tx, tenant, outer, inner),
			s.directory.AddMember(tx, tenant, inner, nobody),
		)
	})
	s.callers["outer"], s.callers["inner"] = directory.ServicePrincipal{ID: outer}, directory.ServicePrincipal{ID: inner}
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.assign(t, "outer", "Reader", "/subscriptions/"+sub)
	s.assign(t, "inner", "Contributor", "/subscriptions/"+sub)
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg")
	for filter, want := range map[string][]string{
		"assignedTo('" + nobody + "')":                  {nobody, inner, outer},
		"assignedTo('" + strings.ToUpper(nobody) + "')": {nobody, inner, outer},
		"atScope() and assignedTo('" + nobody + "')":    {inner, outer},
		"assignedTo('" + inner + "')":                   {inner, outer},
		"assignedTo('" + uuid.NewString() + "')":        nil,
		"principalId eq '" + nobody + "'":               {nobody},
	} {
		var page struct {
			Value []struct{ Properties struct{ PrincipalID string } }
		}
		decode(t, s.want(t, 200, "owner", "GET", "{sub}/providers/Microsoft.Authorization/roleAssignments"+auth22+"&$filter="+url.QueryEscape(filter), ""), &page)
		var got []string
		for _, a := range page.Value {
			got = append(got, a.Properties.PrincipalID)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", filter, diff)
		}
	}
}

func (s *stack) update(t *testing.T, change func(store.Tx) error) {
	t.Helper()
	_, err := s.store.Update(t.Context(), change)
	must(t, err)
}

func TestLargeRequestsGetARMErrors(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	body := `{"location":"eastus","tags":{"a":"` + strings.Repeat("x", 2<<20) + `"}}`
	for path, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		identities + "/app?api-version=2023-01-31":                                       {body, 413, "RequestContentTooLarge"},
		identities + "/app?api-version=2023-01-31&x=" + strings.Repeat("x", 9<<10):       {"{}", 414, "UriTooLong"},
		"{sub}/resourceGroups/" + strings.Repeat("a", 2000) + core:                       {"{}", 400, "InvalidRequestUri"},
		"{sub}/resourceGroups/" + strings.Repeat("a", 200) + core:                        {`{"location":"eastus"}`, 400, "InvalidParameter"},
		identities + "/app?api-version=2023-01-31&$skiptoken=" + strings.Repeat("x", 10): {`{"location":` + strings.Repeat("[", 20000) + `}`, 400, "InvalidRequestContent"},
	} {
		w := s.want(t, c.status, "owner", "PUT", path, c.body)
		if !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) {
			t.Errorf("%.80s: %s, want %s", path, w.Body, c.code)
		}
	}
}

func (s *stack) bearer(raw string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/subscriptions/"+sub+core, nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
}
