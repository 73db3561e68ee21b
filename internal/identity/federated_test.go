package identity_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

const gitHub = "https://token.actions.githubusercontent.com"

func flexible(issuer, text string) identity.Federated {
	return identity.Federated{Issuer: issuer, Audiences: []string{"api://AzureADTokenExchange"}, Matching: &identity.Expression{Value: text, LanguageVersion: 1}}
}

func putFederated(t testing.TB, s *identity.Service, name string, f identity.Federated) (created bool, err error) {
	t.Helper()
	_, created, err = s.PutFederated(t.Context(), activity.Event{}, id(t, app+"/federatedIdentityCredentials/"+name), f)
	return created, err
}

func TestFlexibleCredentialsAreValidAndUnique(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	const sub = "claims['sub'] matches 'repo:a/*'"
	subject := identity.Federated{Issuer: gitHub, Subject: sub, Audiences: []string{"a"}} // a subject of the same text is another thing
	for name, f := range map[string]identity.Federated{
		"first": flexible(gitHub, sub), "second": flexible(gitHub, "claims['sub'] matches 'repo:b/*'"),
		"other-issuer": flexible("https://gitlab.contoso.test", sub), "literal": subject,
	} {
		if created, err := putFederated(t, s, name, f); err != nil || !created {
			t.Fatal(name, created, err)
		}
	}
	for name, c := range map[string]struct {
		f    identity.Federated
		text string
	}{
		"the same expression":   {flexible(gitHub, sub), "Issuer and claims matching expression combination already exists for this Managed Identity."},
		"no expression":         {flexible(gitHub, ""), "empty"},
		"a syntax error":        {flexible(gitHub, "claims['sub'] like 'x'"), "at character 14"},
		"a claim that is not":   {flexible(gitHub, "claims['sub'] eq 'x' and claims['actor'] eq 'y'"), "unallowed claims"},
		"every subject":         {flexible(gitHub, "claims['sub'] matches '*'"), "matches every token"},
		"another language":      {identity.Federated{Issuer: gitHub, Audiences: []string{"a"}, Matching: &identity.Expression{Value: sub, LanguageVersion: 2}}, "language version"},
		"a subject too":         {identity.Federated{Issuer: gitHub, Subject: "s", Audiences: []string{"a"}, Matching: &identity.Expression{Value: sub, LanguageVersion: 1}}, "either a subject or"},
		"neither":               {identity.Federated{Issuer: gitHub, Audiences: []string{"a"}}, "must specify 'issuer', 'subject' and 'audience'"},
		"a long expression":     {flexible(gitHub, "claims['sub'] eq '"+strings.Repeat("a", 600)+"'"), "600 characters"},
		"an issuer with a user": {identity.Federated{Issuer: "https://a:b@issuer.test", Subject: "s", Audiences: []string{"a"}}, "issuer"},
		"an issuer of no host":  {identity.Federated{Issuer: "https://", Subject: "s", Audiences: []string{"a"}}, "issuer"},
		"a broken escape":       {identity.Federated{Issuer: gitHub, Subject: "a\ufffdb", Audiences: []string{"a"}}, "control characters"},
		"a broken audience":     {identity.Federated{Issuer: gitHub, Subject: "a", Audiences: []string{"a\ufffd"}}, "control characters"},
		"a broken expression":   {flexible(gitHub, "claims['sub'] eq '\ufffd'"), "U+FFFD"},
		"a control character":   {identity.Federated{Issuer: gitHub, Subject: "a\nb", Audiences: []string{"a"}}, "control characters"},
	} {
		_, err := putFederated(t, s, "third", c.f)
		var refused *arm.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Code != "BadRequest" || !strings.Contains(refused.Message, c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A PUT replaces the whole credential: a subject takes the place of the expression.
	if created, err := putFederated(t, s, "second", identity.Federated{Issuer: gitHub, Subject: "s", Audiences: []string{"a"}}); created || err != nil {
		t.Fatal(created, err)
	}
	got, err := s.GetFederated(t.Context(), id(t, app+"/federatedIdentityCredentials/second"))
	if err != nil || got.Matching != nil || got.Subject != "s" {
		t.Errorf("%+v %v", got, err)
	}
}

// TestCredentialsDifferByCase: issuer and subject are compared as they are, so two credentials may differ in case only.
func TestCredentialsDifferByCase(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	for i, f := range []identity.Federated{
		{Issuer: "https://issuer.test/a", Subject: "s"}, {Issuer: "https://issuer.test/A", Subject: "s"},
		{Issuer: "https://issuer.test/a/", Subject: "s"}, {Issuer: "https://issuer.test/a", Subject: "S"},
		flexible("https://issuer.test/a", "claims['sub'] eq 's'"), flexible("https://issuer.test/a", "claims['sub'] eq 'S'"),
	} {
		f.Audiences = []string{"a"}
		if created, err := putFederated(t, s, fmt.Sprint("fic", i), f); err != nil || !created {
			t.Error(f, created, err)
		}
	}
}

// TestLaboratoryRefusesConcurrentWrites: while a write of an identity's credentials is in flight, another one gets the
// 409 of Azure, in any spelling of the identity; other identities are free.
func TestLaboratoryRefusesConcurrentWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.Writers = &identity.Writers{Least: time.Second}
		put(t, s, app)
		put(t, s, app+"2")
		one := identity.Federated{Issuer: gitHub, Subject: "one", Audiences: []string{"a"}}
		ended := make(chan error)
		go func() {
			_, err := putFederated(t, s, "first", one)
			ended <- err
		}()
		synctest.Wait()
		_, err := putFederated(t, s, "second", one)
		wantConflict(t, err)
		_, _, err = s.PutFederated(t.Context(), activity.Event{}, id(t, strings.Replace(app, "/app", "/APP", 1)+"/federatedIdentityCredentials/second"), one)
		wantConflict(t, err)
		_, err = s.DeleteFederated(t.Context(), activity.Event{}, id(t, app+"/federatedIdentityCredentials/first"))
		wantConflict(t, err)
		if _, _, err := s.PutFederated(t.Context(), activity.Event{}, id(t, app+"2/federatedIdentityCredentials/first"), one); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if list, _, err := s.ListFederated(t.Context(), id(t, app), resource.Part{Limit: 100}); err != nil || len(list) != 1 {
			t.Errorf("%d credentials, %v", len(list), err)
		}
		// The next write is free, also after one that failed and one whose client has gone.
		_, err = putFederated(t, s, "second", identity.Federated{})
		wantCode(t, err, "BadRequest")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, _ = s.PutFederated(ctx, activity.Event{}, id(t, app+"/federatedIdentityCredentials/second"), one)
		if _, err := s.DeleteFederated(t.Context(), activity.Event{}, id(t, app+"/federatedIdentityCredentials/first")); err != nil {
			t.Error(err)
		}
	})
}

func wantConflict(t *testing.T, err error) {
	t.Helper()
	wantCode(t, err, "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity")
	var refused *arm.Error
	if errors.As(err, &refused) && (refused.Status != 409 || !strings.Contains(refused.Message, "are written concurrently for the managed identity '"+arm.Fold(app)+"'")) {
		t.Errorf("%d %s", refused.Status, refused.Message)
	}
}

// TestCredentialsBeingDeletedAreNotInEffect because nobody may get a token with them.
func TestCredentialsBeingDeletedAreNotInEffect(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	for _, name := range []string{"first", "second"} {
		if _, err := putFederated(t, s, name, identity.Federated{Issuer: gitHub, Subject: name, Audiences: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
	}
	effective := func() (names []string) {
		t.Helper()
		err := s.Resources.Store.View(t.Context(), func(tx store.Tx) error {
			all, err := s.EffectiveFederated(tx, id(t, app))
			names = nil
			for _, f := range all {
				names = append(names, f.Name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	deleting := func(of arm.ID) {
		t.Helper()
		_, err := s.Resources.Store.Update(t.Context(), func(tx store.Tx) error {
			_, _, err := s.Resources.MarkDeleting(tx, activity.Event{}, of)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := effective(); !slices.Equal(got, []string{"first", "second"}) {
		t.Errorf("credentials %q", got)
	}
	deleting(id(t, app+"/federatedIdentityCredentials/first"))
	if got := effective(); !slices.Equal(got, []string{"second"}) {
		t.Errorf("one is being deleted: %q", got)
	}
	deleting(id(t, app))
	if got := effective(); len(got) != 0 {
		t.Errorf("the identity is being deleted: %q", got)
	}
	err := s.Resources.Store.View(t.Context(), func(tx store.Tx) error {
		all, err := s.EffectiveFederated(tx, id(t, app+"x"))
		if len(all) != 0 {
			t.Errorf("an identity that does not exist has %d credentials", len(all))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
