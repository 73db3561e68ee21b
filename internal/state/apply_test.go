package state_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"midas/internal/state"
)

func lines(t *testing.T, p *state.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestEveryKindIsCreatedOnce(t *testing.T) {
	s, wire := serve(t)
	all, kept := read(t, "testdata/all.yaml"), state.Options{Secrets: state.NewSecrets()}
	if r := apply(t, s, all, kept); r.Created != 22 || r.Changed+r.Deleted != 0 {
		t.Errorf("the first run made %+v", r)
	}
	before := wire.writes.Load()
	if p := plan(t, s, all, kept); len(p.Steps) != 0 {
		t.Errorf("the second run would change:\n%s", lines(t, p))
	}
	if r := apply(t, s, all, kept); r != (state.Result{}) || wire.writes.Load() != before {
		t.Errorf("the second run made %+v with %d writes", r, wire.writes.Load()-before)
	}
	if kept.Secrets.User("anna@midas.localhost") == "" {
		t.Error("the generated password is not kept")
	}
}

func TestWhatDiffersIsShownAndChanged(t *testing.T) {
	for _, c := range []struct{ name, before, after, want string }{
		{"tags", "resourceGroups: [{name: rg1, location: eastus, tags: {a: '1', b: '2'}}]", "resourceGroups: [{name: rg1, tags: {a: '3'}}]", `~ resource group rg1: tags.a "1" -> "3", tags.b "2" -> null`},
		{"what is not declared stays", "resourceGroups: [{name: rg1, location: eastus, tags: {a: '1'}}]", "resourceGroups: [{name: rg1}]", "Nothing differs: 1 objects are as declared."},
		{"case", "resourceGroups: [{name: rg1, location: eastus}]", "resourceGroups: [{name: RG1, location: East US}]", "Nothing differs: 1 objects are as declared."},
		{"isolation", group + "identities: [{name: app, resourceGroup: rg1}]", group + "identities: [{name: app, resourceGroup: rg1, properties: {isolationScope: Regional}}]", `~ identity rg1/app: properties.isolationScope "None" -> "Regional"`},
		{"subject", group + federated("x"), group + federated("y"), `~ federated credential rg1/app/github: properties.subject "x" -> "y"`},
		{"attached", group + machine("[app]"), group + machine("[job]"), `~ resource rg1/Microsoft.Compute/virtualMachines/web1: identity.userAssignedIdentities`},
		{"user", "users: [{userPrincipalName: anna, department: a}]", "users: [{userPrincipalName: anna, department: b}]", `~ user anna@midas.localhost: department "a" -> "b"`},
		{"members", "users: [{userPrincipalName: anna}]\ngroups: [{displayName: g, members: [{user: anna}]}]", "groups: [{displayName: g, members: []}]", "- member anna@midas.localhost of g"},
		{"application", "applications: [{displayName: ci}]", "applications: [{displayName: ci, api: {requestedAccessTokenVersion: 2}}]", "~ application ci: api.requestedAccessTokenVersion null -> 2"},
		{"role", role("[Microsoft.Compute/*/read]"), role("[Microsoft.Compute/*/read, Microsoft.Web/*/read]"), "~ custom role r: properties.permissions"},
		{"assignment", group + assigned("a"), group + assigned("b"), `properties.description "a" -> "b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := serve(t)
			apply(t, s, c.before, state.Options{})
			p := plan(t, s, c.after, state.Options{})
			if got := lines(t, p); !strings.Contains(got, c.want) {
				t.Errorf("the plan lacks %q:\n%s", c.want, got)
			}
			if _, err := p.Apply(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if p := plan(t, s, c.after, state.Options{}); len(p.Steps) != 0 {
				t.Errorf("after the change:\n%s", lines(t, p))
			}
		})
	}
}

const group = "resourceGroups: [{name: rg1, location: eastus}]\n"

func federated(subject string) string {
	return "identities: [{name: app, resourceGroup: rg1, federatedCredentials: [{name: github, properties: {issuer: 'https://idp.example', subject: " + subject + "}}]}]"
}

func machine(identities string) string {
	return `identities: [{name: app, resourceGroup: rg1}, {name: job, resourceGroup: rg1}]
resources: [{type: Microsoft.Compute/virtualMachines, name: web1, resourceGroup: rg1, identity: {type: UserAssigned, userAssignedIdentities: ` + identities + "}}]"
}

func role(actions string) string {
	return "customRoles: [{properties: {roleName: r, permissions: [{actions: " + actions + "}]}}]"
}

func assigned(description string) string {
	return "identities: [{name: app, resourceGroup: rg1}]\nroleAssignments: [{role: Reader, principal: {identity: rg1/app}, scope: resourceGroups/rg1, properties: {description: " + description + "}}]"
}

func TestInterruptedRunContinues(t *testing.T) {
	all := read(t, "testdata/all.yaml")
	for _, at := range []int64{1, 4, 9, 15, 20} {
		s, wire := serve(t)
		kept := state.Options{Secrets: state.NewSecrets()}
		ctx, cancel := context.WithCancel(t.Context())
		wire.refuse = func(n int64, _ *http.Request) *http.Response {
			if n >= at {
				cancel()
			}
			return nil
		}
		if _, err := plan(t, s, all, kept).Apply(ctx, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted at write %d: %v", at, err)
		}
		wire.refuse = nil
		apply(t, s, all, kept)
		if p := plan(t, s, all, kept); len(p.Steps) != 0 {
			t.Errorf("interrupted at write %d and continued:\n%s", at, lines(t, p))
		}
	}
}

func answer(status int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func TestHalfOfARunFailsAndTheRestIsDone(t *testing.T) {
	s, wire := serve(t)
	all, kept := read(t, "testdata/all.yaml"), state.Options{Secrets: state.NewSecrets()}
	wire.refuse = func(_ int64, r *http.Request) *http.Response {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/userAssignedIdentities/app") {
			return answer(http.StatusForbidden, http.Header{}, `{"error":{"code":"AuthorizationFailed","message":"not allowed"}}`)
		}
		return nil
	}
	result, err := plan(t, s, all, kept).Apply(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "create identity rg1/app: AuthorizationFailed: not allowed") || !strings.Contains(err.Error(), "state.yaml:6:3") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(err.Error(), "changes need others that failed") || result.Created != 16 {
		t.Errorf("%+v, error %v", result, err)
	}
	wire.refuse = nil
	if r := apply(t, s, all, kept); r.Created != 6 {
		t.Errorf("the second run made %+v", r)
	}
}

func TestRefusalsForTheMomentAreRepeated(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
	}{
		{http.StatusTooManyRequests, `{"error":{"code":"TooManyRequests","message":""}}`},
		{http.StatusServiceUnavailable, ``},
		{http.StatusConflict, `{"error":{"code":"ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity","message":""}}`},
	} {
		s, wire := serve(t)
		refused := map[string]int{}
		mu := make(chan struct{}, 1)
		wire.refuse = func(_ int64, r *http.Request) *http.Response {
			mu <- struct{}{}
			defer func() { <-mu }()
			if refused[r.Method+r.URL.Path]++; refused[r.Method+r.URL.Path] < 3 {
				return answer(c.status, http.Header{"Retry-After": {"0"}}, c.body)
			}
			return nil
		}
		apply(t, s, group+federated("x"), state.Options{})
	}
}

func TestPruneDeletesOnlyInItsScope(t *testing.T) {
	s, _ := serve(t)
	apply(t, s, read(t, "testdata/all.yaml"), state.Options{Secrets: state.NewSecrets()})
	apply(t, s, "resourceGroups: [{name: other, location: eastus}]\nidentities: [{name: keep, resourceGroup: other}]", state.Options{})
	p := plan(t, s, group+"identities: [{name: job, resourceGroup: rg1}]", state.Options{Prune: "resourceGroups/rg1"})
	want := `- role assignment Contributor for ci at /subscriptions/10000000-0000-4000-8000-000000000002/resourceGroups/rg1/providers/Microsoft.Web/sites/s1
`
	if got := lines(t, p); !strings.Contains(got, want) || strings.Contains(got, "other") || strings.Contains(got, "user") || strings.Contains(got, "rg1/job") || !strings.Contains(got, "- identity rg1/app\n") {
		t.Errorf("the plan:\n%s", got)
	}
	if _, err := p.Apply(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	p = plan(t, s, "location: eastus", state.Options{Prune: "/"})
	if _, err := p.Apply(t.Context(), nil); err != nil {
		t.Fatalf("%v\n%s", err, lines(t, p))
	}
	if p := plan(t, s, "location: eastus", state.Options{Prune: "/"}); len(p.Steps) != 0 {
		t.Errorf("after everything was deleted:\n%s", lines(t, p))
	}
	apply(t, s, group, state.Options{}) // the administrator still can
}
