package bearer_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/bearer"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/token"
)

const (
	tenant = "11111111-1111-4111-8111-111111111111"
	user   = "22222222-2222-4222-8222-222222222222"
	app    = "33333333-3333-4333-8333-333333333333"
	absent = "44444444-4444-4444-8444-444444444444"
	group  = "55555555-5555-4555-8555-555555555555"
)

// verifier returns the same result for every token.
type verifier struct {
	claims token.Claims
	err    error
}

func (v *verifier) Verify(context.Context, string) (*token.Claims, error) { return &v.claims, v.err }

func request(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Authorization"] = headers
	return r
}

func TestVerifyRefuses(t *testing.T) {
	audience, expired := &bearer.AudienceError{Audience: "other"}, &token.ExpiredError{}
	for name, test := range map[string]struct {
		headers  []string
		verifier verifier
		want     error
		refusal  bool
	}{
		"no header":         {nil, verifier{}, bearer.ErrNoToken, true},
		"another scheme":    {[]string{"Basic dTpw"}, verifier{}, bearer.ErrNotBearer, true},
		"no token":          {[]string{"Bearer"}, verifier{}, bearer.ErrNotBearer, true},
		"two headers":       {[]string{"Bearer x", "Bearer x"}, verifier{}, bearer.ErrNotBearer, true},
		"a wrong signature": {[]string{"Bearer x"}, verifier{err: token.ErrSignature}, token.ErrSignature, true},
		"an expired token":  {[]string{"Bearer x"}, verifier{err: expired}, expired, true},
		"another audience":  {[]string{"Bearer x"}, verifier{claims: token.Claims{Audience: "other"}}, audience, true},
		"a failure":         {[]string{"Bearer x"}, verifier{err: store.ErrConflict}, store.ErrConflict, false},
		"a valid token":     {[]string{"bearer  x "}, verifier{claims: token.Claims{Audience: "here"}}, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			check := bearer.Checker{Tokens: &test.verifier, Audiences: map[string]bool{"here": true}}
			_, err := check.Verify(request(test.headers...))
			var got *bearer.AudienceError
			if test.want == audience {
				if !errors.As(err, &got) || got.Audience != audience.Audience {
					t.Errorf("the error is %v", err)
				}
			} else if !errors.Is(err, test.want) {
				t.Errorf("the error is %v, want %v", err, test.want)
			}
			if bearer.IsRefusal(err) != test.refusal {
				t.Errorf("IsRefusal(%v) is %v", err, !test.refusal)
			}
		})
	}
}

// TestSubjectIsReadFromTheDirectory checks that the directory, and not the token, decides whether a subject
// exists, is enabled and is a user, and which groups it is in.
func TestSubjectIsReadFromTheDirectory(t *testing.T) {
	st := storetest.Memory(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	d := &directory.Directory{Store: st, Now: func() time.Time { return now }}
	update := func(change func(store.Tx) error) {
		t.Helper()
		_, err := st.Update(t.Context(), change)
		must(t, err)
	}
	update(func(tx store.Tx) error {
		return errors.Join(
			d.CreateServicePrincipal(tx, directory.ServicePrincipal{TenantID: tenant, ID: app, AppID: app, Type: directory.TypeManagedIdentity, Enabled: true}),
			d.CreateUser(tx, directory.User{TenantID: tenant, ID: user, UserPrincipalName: "u@example.com", DisplayName: "u", Enabled: true}, ""),
			d.CreateGroup(tx, directory.Group{TenantID: tenant, ID: group, DisplayName: "g"}))
	})
	update(func(tx store.Tx) error { return d.AddMember(tx, tenant, group, app) })
	check := bearer.Checker{Directory: d, Groups: true}
	subject := func(id string, issued time.Time) (s bearer.Subject, err error) {
		view := st.View(t.Context(), func(tx store.Tx) error {
			s, err = check.Subject(tx, &token.Claims{TenantID: tenant, ObjectID: id, Issued: issued, IssuedAt: issued.Add(-token.Backdate)})
			return nil
		})
		must(t, view)
		return s, err
	}
	for id, want := range map[string]bearer.Subject{
		app:  {TenantID: tenant, ObjectID: app, Groups: []string{group}},
		user: {TenantID: tenant, ObjectID: user, User: true},
	} {
		got, err := subject(id, now)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if _, err := subject(absent, now); !errors.Is(err, bearer.ErrSubjectNotFound) || !bearer.IsRefusal(err) {
		t.Errorf("an unknown subject: %v", err)
	}
	update(func(tx store.Tx) error { return d.RevokeTokens(tx, tenant, app) })
	var revoked *bearer.RevokedError
	if _, err := subject(app, now); !errors.As(err, &revoked) || !revoked.ValidFrom.Equal(now.Add(time.Second)) || !bearer.IsRefusal(err) {
		t.Errorf("a revoked token: %v", err)
	}
	if _, err := subject(app, now.Add(time.Second)); err != nil {
		t.Errorf("a later token: %v", err)
	}
	update(func(tx store.Tx) error {
		u, err := d.User(tx, tenant, user)
		u.Enabled = false
		return errors.Join(err, d.UpdateUser(tx, u))
	})
	if _, err := subject(user, now.Add(time.Hour)); !errors.Is(err, bearer.ErrSubjectDisabled) || !bearer.IsRefusal(err) {
		t.Errorf("a disabled user: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
