package management_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/activity"
	"midas/internal/api/httpx"
	"midas/internal/api/management"
	"midas/internal/compute"
	"midas/internal/decision"
	"midas/internal/directory"
	"midas/internal/explain"
	"midas/internal/hierarchy"
	"midas/internal/identity"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/subscription"
	"midas/internal/token"
)

const (
	origin      = "https://midas.test"
	tenant      = "11111111-1111-1111-1111-111111111111"
	otherTenant = "99999999-9999-9999-9999-999999999999"
	sub         = "22222222-2222-2222-2222-222222222222"
	otherSub    = "88888888-8888-8888-8888-888888888888" // in the other tenant
	audience    = "https://management.azure.com/"
)

// roles are the callers that every stack knows, by the name of the role that they hold at the
// subscription. "nobody" holds none.
var roles = map[string]string{
	"owner":         "Owner",
	"contributor":   "Contributor",
	"reader":        "Reader",
	"micontributor": "Managed Identity Contributor",
	"mioperator":    "Managed Identity Operator",
	"vmcontributor": "Virtual Machine Contributor",
	"nobody":        "",
}

// builtinRoles returns the built-in roles, which tests need often and must not modify.
var builtinRoles = sync.OnceValue(rbac.Definitions)

// stack is the control plane as it is wired in the server, without sockets.
type stack struct {
	http.Handler
	store      store.Store
	issuer     *token.Issuer
	directory  *directory.Directory
	resources  *resource.Service
	identities *identity.Service
	rbac       *rbac.Service
	hierarchy  *hierarchy.Service
	locks      *lock.Service
	log        *activity.Log
	management *management.Handler
	callers    map[string]directory.ServicePrincipal
	now        func() time.Time
}

func newStack(t testing.TB) *stack { return newStackAt(t, time.Now) }

// newStackOf makes a stack whose handler is a little different.
func newStackOf(t testing.TB, change func(*management.Handler)) *stack {
	t.Helper()
	return makeStack(t, time.Now, change)
}

// newStackAt makes a stack whose clock can be another one.
func newStackAt(t testing.TB, now func() time.Time) *stack {
	t.Helper()
	return makeStack(t, now, func(*management.Handler) {})
}

func makeStack(t testing.TB, now func() time.Time, change func(*management.Handler)) *stack {
	t.Helper()
	s := &stack{store: storetest.Memory(t), now: now, callers: map[string]directory.ServicePrincipal{}}
	keys, err := token.OpenKeys(t.Context(), token.KeysConfig{Store: s.store, Master: seal.MasterKey{1}, Now: now, MaxTokenLifetime: 24 * time.Hour})
	must(t, err)
	s.issuer = &token.Issuer{Keys: keys, Now: now, NewID: uuid.NewString, Origin: origin}
	s.log = &activity.Log{Store: s.store, Now: now, NewID: uuid.NewString}
	s.directory = &directory.Directory{Store: s.store, Now: now, NewID: uuid.NewString}
	s.rbac = rbac.New(rbac.Config{Store: s.store, Log: s.log, Now: now, Principals: s.directory})
	s.locks = lock.New(lock.Config{Store: s.store, Log: s.log, Now: now})
	userData, err := seal.New(seal.MasterKey{3}, "user data")
	must(t, err)
	s.resources = resource.New(resource.Config{
		Log: s.log, Store: s.store, Now: now, NewID: uuid.NewString, Scopes: resource.AllScopes{s.rbac, s.locks},
		Owners: map[string]resource.Owner{}, Workers: map[string]resource.Worker{}, Logger: slog.New(slog.DiscardHandler),
		Types: slices.Concat(identity.Types(), compute.Types()), UserData: userData,
	})
	s.hierarchy = hierarchy.New(hierarchy.Config{Store: s.store, Log: s.log, Now: now, Resources: s.resources, DeleteScope: s.rbac.DeleteManagementGroup})
	s.rbac.Scope, s.rbac.Above = s.hierarchy.CheckScope, s.hierarchy.Above
	s.locks.Scope = s.resources.CheckNotDeletingWithAncestors
	s.identities = identity.New(identity.Config{Resources: s.resources, Directory: s.directory, Log: s.log, Store: s.store, Now: now, NewID: uuid.NewString})
	s.resources.Owners[identity.Type.Key()], s.resources.Identities = s.identities, identity.ManagedServiceIdentityOwner{Service: s.identities}
	pages, err := seal.NewPages(seal.MasterKey{2})
	must(t, err)
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	must(t, err)
	machines := &compute.Service{Resources: s.resources, Now: now, NewID: uuid.NewString}
	s.resources.Workers[compute.ScaleOperation], s.resources.Workers[identity.RestrictOperation] = machines.Scale, s.identities.Restrict
	h := management.Handler{
		Origin: origin, HomeTenant: tenant, Tokens: &token.Verifier{Keys: keys, Now: now, Origin: origin},
		RBAC: s.rbac, Explain: &explain.Service{RBAC: s.rbac, Directory: s.directory, Locks: s.locks, Resources: s.resources}, Directory: s.directory, Resources: s.resources, Hierarchy: s.hierarchy, Identities: s.identities,
		Compute: machines, Locks: s.locks, Decider: &decision.Decider{RBAC: s.rbac, Directory: s.directory},
		Subscriptions: subscription.New(subscription.Config{
			Store: s.store, Log: s.log, Now: now, NewID: uuid.NewString, Resources: s.resources, Hierarchy: s.hierarchy,
		}),
		Activity: s.log, Store: s.store, Pages: pages, Now: now, NewID: uuid.NewString,
	}
	h.Namespaces = append(management.DefaultNamespaces(), "A.B", "Contoso.Apps", "Contoso.Guard") // made up by tests
	change(&h)
	handler, err := management.New(h)
	must(t, err)
	s.management = handler
	s.Handler = witnessed(t, httpx.New(handler, httpx.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: uuid.NewString,
	}))
	s.populate(t)
	if _, measures := t.(*testing.B); !measures {
		t.Cleanup(func() { s.consistent(t) }) // whatever the test has done
	}
	s.runCascades(t)
	return s
}

// populate makes two tenants with a subscription each, and the callers in the first.
func (s *stack) populate(t testing.TB) {
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		must(t, s.directory.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Test", DefaultDomain: "test.midas"}))
		must(t, s.directory.PutTenant(tx, directory.Tenant{ID: otherTenant, DisplayName: "Other"}))
		must(t, s.resources.EnsureSubscription(tx, tenant, sub, "Test"))
		return s.resources.EnsureSubscription(tx, otherTenant, otherSub, "Other")
	})
	must(t, err)
	for name, role := range roles {
		s.addCaller(t, name)
		if role != "" {
			s.assign(t, name, role, "/subscriptions/"+sub)
		}
	}
}

func (s *stack) addCaller(t testing.TB, name string) {
	t.Helper()
	sp := directory.ServicePrincipal{
		ID: uuid.NewString(), AppID: uuid.NewString(), TenantID: tenant, DisplayName: name,
		Type: directory.TypeApplication, Enabled: true,
	}
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error { return s.directory.CreateServicePrincipal(tx, sp) })
	must(t, err)
	s.callers[name] = sp
}

func (s *stack) assign(t testing.TB, caller, role, scope string) {
	t.Helper()
	for _, d := range builtinRoles() {
		if d.RoleName == role {
			_, err := s.rbac.PutAssignment(t.Context(), activity.Event{TenantID: tenant, CallerObjectID: tenant}, rbac.Assignment{
				Name: uuid.NewString(), Scope: scope, TenantID: tenant, DefinitionID: d.ID, PrincipalID: s.callers[caller].ID,
			})
			must(t, err)
			return
		}
	}
	t.Fatalf("no role %q", role)
}

// token signs in a caller.
func (s *stack) token(t testing.TB, caller string) string {
	t.Helper()
	sp := s.callers[caller]
	return s.mint(t, token.Claims{Audience: audience, Subject: sp.ID, ObjectID: sp.ID, AppID: sp.AppID, TenantID: tenant, Expires: s.now().Add(time.Hour)})
}

func (s *stack) mint(t testing.TB, claims token.Claims) string {
	t.Helper()
	raw, err := s.issuer.Mint(t.Context(), claims)
	must(t, err)
	return raw
}

// do sends a request as a caller; the empty caller sends no token. Paths may hold {sub}.
func (s *stack) do(t testing.TB, caller, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{sub}", "/subscriptions/"+sub), strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+s.token(t, caller))
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// want sends a request and fails unless it gets a status; 0 is any success.
func (s *stack) want(t testing.TB, status int, caller, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := s.do(t, caller, method, path, body)
	if status != 0 && w.Code != status || status == 0 && w.Code >= 300 {
		t.Fatalf("%s %s as %s: %d %s, want %d", method, path, caller, w.Code, w.Body, status)
	}
	return w
}

func (s *stack) runCascades(t testing.TB) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = s.resources.Run(ctx); close(done) }()
	t.Cleanup(func() { stop(); <-done })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
