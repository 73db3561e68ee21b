package identity_test

import (
	"context"
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
	"midas/internal/directory"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/store/storetest"
)

const (
	tenant = "11111111-1111-1111-1111-111111111111"
	sub    = "/subscriptions/22222222-2222-2222-2222-222222222222"
	group  = sub + "/resourceGroups/rg"
	app    = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
)

func TestIdentityHasAPrincipalUntilItIsDeleted(t *testing.T) {
	s := newService(t)
	first := put(t, s, app)
	sp, err := principal(t, s, first.PrincipalID)
	if err != nil {
		t.Fatal(err)
	}
	want := directory.ServicePrincipal{
		ID: first.PrincipalID, AppID: first.ClientID, TenantID: tenant, DisplayName: "app", Type: "ManagedIdentity",
		Enabled: true, ResourceID: app, Created: sp.Created,
		AlternativeNames: []string{"isExplicit=True", strings.Replace(app, "resourceGroups", "resourcegroups", 1)},
	}
	if diff := cmp.Diff(want, sp); diff != "" {
		t.Errorf("principal (-want +got)\n%s", diff)
	}
	if again := put(t, s, strings.ToUpper(app[:len(app)-3])+"APP"); again.PrincipalID != first.PrincipalID || again.Name != "app" {
		t.Errorf("a second PUT created another identity: %+v", again)
	}
	remove(t, s, app, true)
	remove(t, s, app, false)
	if _, err := principal(t, s, first.PrincipalID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the principal still exists: %v", err)
	}
	second := put(t, s, app)
	if second.PrincipalID == first.PrincipalID || second.ClientID == first.ClientID {
		t.Error("a later identity of the same name has the ids of the earlier one")
	}
}

func TestDeletingTheGroupDeletesThePrincipals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		var all []identity.Identity
		for i := range 15 {
			all = append(all, put(t, s, fmt.Sprint(app, i)))
		}
		if _, err := s.Resources.DeleteGroup(t.Context(), activity.Event{}, id(t, group)); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { _ = s.Resources.Run(ctx); close(done) }()
		synctest.Wait()
		stop()
		<-done
		for _, i := range all {
			if _, err := principal(t, s, i.PrincipalID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the principal of %s still exists: %v", i.Name, err)
			}
		}
	})
}

func TestConcurrentPutsCreateOneIdentity(t *testing.T) {
	s := newService(t)
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			made, _, err := s.Put(t.Context(), activity.Event{}, id(t, app), at("eastus"))
			if err != nil {
				t.Error(err)
			}
			ids[i] = made.PrincipalID
		})
	}
	all.Wait()
	for _, principal := range ids {
		if principal != ids[0] {
			t.Fatalf("several identities: %v", ids)
		}
	}
}

func TestInvalidIdentitiesAreRejected(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	for name, c := range map[string]struct {
		id     string
		change identity.Change
		code   string
	}{
		"no location":       {app + "1", at(""), "LocationRequired"},
		"another location":  {app, at("westus"), "InvalidResourceLocation"},
		"short name":        {app[:len(app)-1], at("eastus"), "InvalidResourceName"},
		"long name":         {app + strings.Repeat("a", 126), at("eastus"), "InvalidResourceName"},
		"dot in the name":   {app + ".x", at("eastus"), "InvalidResourceName"},
		"leading hyphen":    {strings.Replace(app, "/app", "/-app", 1), at("eastus"), "InvalidResourceName"},
		"umlaut":            {app + "ä", at("eastus"), "InvalidResourceName"},
		"no group":          {strings.Replace(app, "/rg/", "/none/", 1), at("eastus"), "ResourceGroupNotFound"},
		"name and no group": {strings.Replace(app, "/rg/", "/none/", 1) + ".x", at("eastus"), "ResourceGroupNotFound"},
		"unknown isolation": {app, func(i identity.Identity) (identity.Identity, error) { i.Isolation = "Global"; return i, nil }, "BadRequest"},
		"wildcard": {app, func(i identity.Identity) (identity.Identity, error) {
			i.Restrictions = &identity.Restrictions{Providers: []string{"Microsoft.Storage/*"}}
			return i, nil
		}, "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.Put(t.Context(), activity.Event{}, id(t, c.id), c.change)
			wantCode(t, err, c.code)
		})
	}
}

func TestFederatedCredentialsAreLimitedUniqueAndValid(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	good := identity.Federated{Issuer: "https://issuer.test", Subject: "s", Audiences: []string{"api://AzureADTokenExchange"}}
	with := func(change func(*identity.Federated)) identity.Federated {
		f := good
		change(&f)
		return f
	}
	fic := func(name string) arm.ID { return id(t, app+"/federatedIdentityCredentials/"+name) }
	if _, created, err := s.PutFederated(t.Context(), activity.Event{}, fic("fic"), good); err != nil || !created {
		t.Fatal(created, err)
	}
	if _, created, err := s.PutFederated(t.Context(), activity.Event{}, fic("FIC"), good); err != nil || created {
		t.Fatal("replacing:", created, err)
	}
	long := strings.Repeat("x", 601)
	for name, c := range map[string]struct {
		name string
		f    identity.Federated
	}{
		"same issuer and subject": {"other", good},
		"short name":              {"fi", with(func(f *identity.Federated) { f.Subject = "t" })},
		"empty":                   {"other", identity.Federated{}},
		"no audience":             {"other", with(func(f *identity.Federated) { f.Audiences = nil })},
		"two audiences":           {"other", with(func(f *identity.Federated) { f.Audiences = []string{"a", "b"} })},
		"space around the issuer": {"other", with(func(f *identity.Federated) { f.Issuer += " " })},
		"http issuer":             {"other", with(func(f *identity.Federated) { f.Issuer = "http://issuer.test" })},
		"no subject":              {"other", with(func(f *identity.Federated) { f.Subject = "" })},
		"subject and expression":  {"other", with(func(f *identity.Federated) { f.Matching = &identity.Expression{Value: "v", LanguageVersion: 1} })},
		"long subject":            {"other", with(func(f *identity.Federated) { f.Subject = long })},
		"long audience":           {"other", with(func(f *identity.Federated) { f.Audiences = []string{long} })},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := s.PutFederated(t.Context(), activity.Event{}, fic(c.name), c.f)
			wantCode(t, err, "BadRequest")
		})
	}
	_, _, err := s.PutFederated(t.Context(), activity.Event{}, id(t, app+"2/federatedIdentityCredentials/fic"), good)
	wantCode(t, err, "ParentResourceNotFound")

	var writers sync.WaitGroup // more concurrent writers than the limit
	for i := range 25 {
		writers.Go(func() {
			_, _, _ = s.PutFederated(t.Context(), activity.Event{}, fic(fmt.Sprint("many", i)),
				with(func(f *identity.Federated) { f.Subject = fmt.Sprint(i) }))
		})
	}
	writers.Wait()
	list, next, err := s.ListFederated(t.Context(), id(t, app), resource.Part{Limit: 100})
	if err != nil || len(list) != 20 || next != "" {
		t.Errorf("%d credentials, %q, %v", len(list), next, err)
	}
	remove(t, s, app, true)
	put(t, s, app)
	if list, _, err = s.ListFederated(t.Context(), id(t, app), resource.Part{Limit: 100}); err != nil || len(list) != 0 {
		t.Errorf("a new identity has the old one's credentials: %v, %v", list, err)
	}
}

type noScopes struct{}

func (noScopes) DeleteScope(context.Context, arm.ID) error { return nil }

func newService(t testing.TB) *identity.Service {
	t.Helper()
	st := storetest.Memory(t)
	log := &activity.Log{Store: st, Now: time.Now, NewID: uuid.NewString}
	s := identity.New(identity.Config{
		Directory: &directory.Directory{Store: st, Now: time.Now, NewID: uuid.NewString},
		Log:       log, Store: st, Now: time.Now, NewID: uuid.NewString,
	})
	s.Resources = resource.New(resource.Config{
		Log: log, Store: st, Now: time.Now, NewID: uuid.NewString, Scopes: noScopes{},
		Owners: map[string]resource.Owner{identity.Type.Key(): s}, Logger: slog.New(slog.DiscardHandler),
	})
	s.Resources.Identities = identity.ManagedServiceIdentityOwner{Service: s}
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		return s.Resources.EnsureSubscription(tx, tenant, strings.TrimPrefix(sub, "/subscriptions/"), "Test")
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.Resources.WriteGroup(t.Context(), activity.Event{}, id(t, group), func(old resource.Record) (resource.Record, error) {
		old.Location = "eastus"
		return old, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func at(location string) identity.Change {
	return func(i identity.Identity) (identity.Identity, error) {
		i.Location = location
		return i, nil
	}
}

func put(t testing.TB, s *identity.Service, path string) identity.Identity {
	t.Helper()
	made, _, err := s.Put(t.Context(), activity.Event{}, id(t, path), at("eastus"))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func remove(t *testing.T, s *identity.Service, path string, existed bool) {
	t.Helper()
	if got, err := s.Delete(t.Context(), activity.Event{}, id(t, path)); err != nil || got != existed {
		t.Fatalf("delete %s: %v, %v", path, got, err)
	}
}

func principal(t *testing.T, s *identity.Service, objectID string) (sp directory.ServicePrincipal, err error) {
	t.Helper()
	err = s.Store.View(t.Context(), func(tx store.Tx) error {
		sp, err = s.Directory.ServicePrincipal(tx, tenant, objectID)
		return err
	})
	return sp, err
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *arm.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

func id(t testing.TB, s string) arm.ID {
	t.Helper()
	parsed, err := arm.ParseID(s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}
