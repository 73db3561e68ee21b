package state_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas"
	"midas/internal/state"
	"midas/midastest"
)

// fixedText has an id of every kind of object that has one, and a secret.
const fixedText = `location: eastus
resourceGroups: [{name: rg1}]
identities:
- {name: app, resourceGroup: rg1, properties: {principalId: 30000000-0000-4000-8000-000000000001, clientId: 30000000-0000-4000-8000-000000000002}}
- {name: half, resourceGroup: rg1, properties: {principalId: 30000000-0000-4000-8000-00000000000A}}
resources:
- type: Microsoft.Compute/virtualMachines
  name: web1
  resourceGroup: rg1
  identity: {type: SystemAssigned, principalId: 30000000-0000-4000-8000-000000000003, clientId: 30000000-0000-4000-8000-000000000004}
users: [{userPrincipalName: Anna, id: 30000000-0000-4000-8000-000000000005}]
groups: [{displayName: Readers, id: 30000000-0000-4000-8000-000000000006, members: [{id: 30000000-0000-4000-8000-000000000005}]}]
applications:
- displayName: ci
  id: 30000000-0000-4000-8000-000000000007
  appId: 30000000-0000-4000-8000-000000000008
  servicePrincipal: {id: 30000000-0000-4000-8000-000000000009}
  passwordCredentials: [{displayName: test, secretText: a-secret-that-tests-know-1}]
roleAssignments:
- {role: Reader, principal: {application: ci}, name: 30000000-0000-4000-8000-00000000000b}
- {role: Reader, principal: {id: 30000000-0000-4000-8000-000000000003}, scope: resourceGroups/rg1}
`

func exportIDs(t testing.TB, s *state.Server) string {
	t.Helper()
	return exported(t, s, "", true)
}

func TestFileFixesIDs(t *testing.T) {
	s, wire := serve(t)
	if r := apply(t, s, fixedText, state.Options{}); r.Created != 11 {
		t.Errorf("%+v", r)
	}
	before := wire.writes.Load()
	if p := plan(t, s, fixedText, state.Options{}); len(p.Steps) != 0 || wire.writes.Load() != before {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
	exported := exportIDs(t, s)
	for n := range 11 {
		if id := fmt.Sprintf("30000000-0000-4000-8000-%012x", n+1); !strings.Contains(exported, id) {
			t.Errorf("the export has no %s:\n%s", id, exported)
		}
	}
	resp, err := s.HTTP.PostForm(s.Endpoint+"/"+s.TenantID+"/oauth2/v2.0/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {"30000000-0000-4000-8000-000000000008"}, "client_secret": {"a-secret-that-tests-know-1"}, "scope": {"https://management.azure.com/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("the secret of the file: %s", resp.Status)
	}
	if strings.Contains(export(t, s, ""), "30000000-") {
		t.Error("ids are exported that nobody asked for")
	}
	if strings.Contains(exported, "secret") {
		t.Errorf("a secret is exported:\n%s", exported)
	}
}

func TestExportedIDsAreRebuilt(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, read(t, "testdata/all.yaml"), state.Options{Secrets: state.NewSecrets()})
	first := exportIDs(t, s)
	other, wire := serve(t)
	apply(t, other, first, state.Options{})
	if second := exportIDs(t, other); second != first {
		t.Errorf("the second server has\n%s\nnot\n%s", second, first)
	}
	before := wire.writes.Load()
	if p := plan(t, other, first, state.Options{}); len(p.Steps) != 0 || wire.writes.Load() != before {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
}

func TestManyFixedIDsAreReservedInPages(t *testing.T) {
	const n = 1_500
	var b strings.Builder
	b.WriteString(group + "identities:\n")
	for i := range n {
		fmt.Fprintf(&b, "- {name: app%d, resourceGroup: rg1, properties: {principalId: 30000000-0000-4000-8000-%012d, clientId: 30000000-0000-4000-9000-%012d}}\n", i, i, i)
	}
	s, wire := serve(t)
	var pages, created atomic.Int64
	wire.refuse = func(_ int64, r *http.Request) *http.Response {
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/lab/v1/ids":
			if pages.Add(1); created.Load() != 0 {
				t.Error("ids are reserved after objects were created")
			}
		case r.Method == http.MethodPut:
			created.Add(1)
		}
		return nil
	}
	if r := apply(t, s, b.String(), state.Options{}); r.Created != n+1 || pages.Load() != 2 {
		t.Errorf("%+v, %d requests to reserve ids", r, pages.Load())
	}
	if p := plan(t, s, b.String(), state.Options{}); len(p.Steps) != 0 {
		t.Errorf("the second run would make %d changes", len(p.Steps))
	}
}

// Without --lab a file with ids is refused as a whole, also if the client takes the server for a laboratory.
func TestFixedIDsNeedALaboratory(t *testing.T) {
	for _, want := range []string{
		`state.yaml:4:61: "principalId" can be fixed only`, `state.yaml:4:109: "clientId" can be fixed only`, `state.yaml:10:49: "principalId" can be`,
		`state.yaml:11:39: "id" can be`, `state.yaml:12:37: "id" can be`, `state.yaml:16:10: "appId" can be`, `state.yaml:17:26: "id" can be`, `state.yaml:18:57: "secretText" can be`,
	} {
		if err := load("state.yaml", fixedText); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant %s", err, want)
		}
	}
	srv := midastest.Start(t)
	wire := &counter{next: srv.Client().Transport}
	s := &state.Server{
		Endpoint: srv.Endpoint, HTTP: &http.Client{Transport: wire}, TenantID: srv.TenantID, SubscriptionID: srv.SubscriptionID, ClientID: srv.ClientID, Lab: true,
		Token: func(_ context.Context, resource string) (string, error) { return srv.Token(t, resource), nil },
	}
	d, err := state.Load([]state.File{{Name: "state.yaml", Text: []byte(fixedText)}}, s.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Plan(t.Context(), d, state.Options{})
	for _, want := range []string{"state.yaml:4:3: The ids and secrets of the identity rg1/app can be fixed only on a server with --lab.", "state.yaml:18:25: The ids and secrets of the secret ci/test"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant %s", err, want)
		}
	}
	if n := wire.writes.Load(); n != 0 {
		t.Errorf("%d writes", n)
	}
}

func TestOtherIDsOfTheServerCannotBeChanged(t *testing.T) {
	s, wire := serve(t)
	apply(t, s, fixedText, state.Options{})
	other := strings.NewReplacer("30000000-0000-4000-8000", "40000000-0000-4000-8000", "a-secret", "b-secret").Replace(fixedText) + "- {role: Reader, principal: {user: new}}\n"
	d, err := state.Load([]state.File{{Name: "state.yaml", Text: []byte(other + "customRoles: []\n")}}, s.Defaults())
	if err != nil {
		t.Fatal(err)
	}
	before := wire.writes.Load()
	_, err = s.Plan(t.Context(), d, state.Options{})
	for _, want := range []string{
		"state.yaml:4:61: The identity rg1/app has the principalId 30000000-0000-4000-8000-000000000001, not 40000000-0000-4000-8000-000000000001, and ids never change",
		"state.yaml:4:109: The identity rg1/app has the clientId 30000000-0000-4000-8000-000000000002, not",
		"web1 has the principalId 30000000-0000-4000-8000-000000000003, not", "web1 has the clientId 30000000-0000-4000-8000-000000000004, not",
		"state.yaml:11:39: The user Anna@midas.localhost has the id 30000000-0000-4000-8000-000000000005, not", "The group Readers has the id 30000000-0000-4000-8000-000000000006, not",
		"The application ci has the id 30000000-0000-4000-8000-000000000007, not", "ci has the appId 30000000-0000-4000-8000-000000000008, not", "ci has the servicePrincipal.id 30000000-0000-4000-8000-000000000009, not",
		"has the name 30000000-0000-4000-8000-00000000000b, not 40000000-0000-4000-8000-00000000000b", `The secret ci/test has another value, which begins with "a-s"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got\n%v\nwant %s", err, want)
		}
	}
	if n := wire.writes.Load() - before; n != 0 {
		t.Errorf("%d writes", n)
	}
}

// What the laboratory refuses has its place, and nothing was created.
func TestIDsThatCannotBeReserved(t *testing.T) {
	s, wire := serve(t)
	apply(t, s, "users: [{userPrincipalName: bob, id: 30000000-0000-4000-8000-0000000000aa}]", state.Options{})
	for _, c := range []struct{ text, want string }{
		{"users:\n- {userPrincipalName: eve}\n- {userPrincipalName: anna, id: 30000000-0000-4000-8000-0000000000AA}", "state.yaml:3:3: reserve the ids of the user anna@midas.localhost: IdInUse: "},
		{"groups: [{displayName: g, id: " + midas.LabClientID + "}]", "state.yaml:1:10: reserve the ids of the group g: IdInUse: "},
		{"applications:\n- displayName: ci\n  passwordCredentials: [{displayName: s, secretText: short}]", "state.yaml:3:25: reserve the ids of the secret ci/s: InvalidParameter: "},
	} {
		p := plan(t, s, c.text, state.Options{})
		before := wire.writes.Load()
		if r, err := p.Apply(t.Context(), nil); err == nil || !strings.Contains(err.Error(), c.want) || r != (state.Result{}) {
			t.Errorf("got %+v, %v, want %s", r, err, c.want)
		}
		if n := wire.writes.Load() - before; n != 1 { // the reservation that was refused
			t.Errorf("%s: %d writes", c.text, n)
		}
	}
	lab := defaults
	lab.Lab = true
	for text, want := range map[string]string{
		"users: [{userPrincipalName: a, id: 30000000-0000-4000-8000-0000000000aa}]\ngroups: [{displayName: g, id: 30000000-0000-4000-8000-0000000000AA}]": "f.yaml:2:31: The id 30000000-0000-4000-8000-0000000000aa is fixed twice; the first is at f.yaml:1:36.",
		"resources: [{type: A.B/c, name: a, resourceGroup: rg1, identity: {type: None, principalId: 30000000-0000-4000-8000-0000000000aa}}]":              "no system-assigned identity whose ids could be fixed",
	} {
		if _, err := state.Load([]state.File{{Name: "f.yaml", Text: []byte(text)}}, lab); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A run that was interrupted after its ids were reserved continues with the same ids.
func TestInterruptedRunKeepsItsIDs(t *testing.T) {
	for _, at := range []int64{2, 4, 7, 10} {
		s, wire := serve(t)
		ctx, cancel := context.WithCancel(t.Context())
		wire.refuse = func(n int64, _ *http.Request) *http.Response {
			if n >= at {
				cancel()
			}
			return nil
		}
		if _, err := plan(t, s, fixedText, state.Options{}).Apply(ctx, nil); err == nil {
			t.Fatalf("interrupted at write %d: no error", at)
		}
		wire.refuse = nil
		apply(t, s, fixedText, state.Options{})
		if p := plan(t, s, fixedText, state.Options{}); len(p.Steps) != 0 {
			t.Errorf("interrupted at write %d and continued:\n%s", at, lines(t, p))
		}
	}
}

// A system-assigned identity and a service principal that are new get their ids although their resource and their
// application exist.
func TestExistingObjectsGetNewPrincipalsWithFixedIDs(t *testing.T) {
	s, _ := serve(t)
	machine := group + "resources: [{type: Microsoft.Compute/virtualMachines, name: web1, resourceGroup: rg1, identity: {type: %s}}]"
	apply(t, s, fmt.Sprintf(machine, "None"), state.Options{})
	text := fmt.Sprintf(machine, "SystemAssigned, principalId: 30000000-0000-4000-8000-000000000003")
	apply(t, s, text, state.Options{})
	if p := plan(t, s, text, state.Options{}); len(p.Steps) != 0 || !strings.Contains(exportIDs(t, s), "30000000-0000-4000-8000-000000000003") {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
}

// Role assignments do not find a new principal at once, as in Azure: the request is repeated.
func TestNewPrincipalsAreWaitedFor(t *testing.T) {
	srv := midastest.Start(t, midastest.Lab())
	wire := &counter{next: srv.Client().Transport}
	s := &state.Server{
		Endpoint: srv.Endpoint, HTTP: &http.Client{Transport: wire}, TenantID: srv.TenantID, SubscriptionID: srv.SubscriptionID, ClientID: srv.ClientID,
		UserName: midas.LabUserName, Lab: true, Token: func(_ context.Context, resource string) (string, error) { return srv.Token(t, resource), nil },
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, srv.Endpoint+"/lab/v1/delays", strings.NewReader(`{"principals":"30m"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.SetBasicAuth(srv.ClientID, midas.LabClientSecret)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	var asked atomic.Int64
	wire.refuse = func(_ int64, r *http.Request) *http.Response {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/roleAssignments/") && asked.Add(1) == 2 {
			srv.Advance(t, 31*time.Minute)
		}
		return nil
	}
	text := group + assigned("a")
	if r := apply(t, s, text, state.Options{}); r.Created != 3 || asked.Load() != 2 {
		t.Errorf("%+v after %d requests for the assignment", r, asked.Load())
	}
	if p := plan(t, s, text, state.Options{}); len(p.Steps) != 0 {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
}
