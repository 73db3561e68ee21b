package management_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// shows sends a token to a list that its subject may read.
func (s *stack) shows(t *testing.T, raw string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/subscriptions/"+sub+"/resourceGroups"+core, nil)
	r.Header.Set("Authorization", "Bearer "+raw)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// TestBoundTokensAreRefusedWithTheReason sends a token that is bound to a key as a bearer token.
func TestBoundTokensAreRefusedWithTheReason(t *testing.T) {
	s := newStack(t)
	sp := s.callers["owner"]
	raw := s.mint(t, token.Claims{
		Audience: audience, Subject: sp.ID, ObjectID: sp.ID, AppID: sp.AppID, TenantID: tenant, Expires: s.now().Add(time.Hour),
		Confirmation: &token.Confirmation{KeyID: "k"},
	})
	w := s.shows(t, raw)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), `"code":"InvalidAuthenticationToken"`) || !strings.Contains(w.Body.String(), "bound to a key") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestRevokedTokensAreRefusedAndNewOnesAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStack(t)
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
		var made struct {
			Properties struct{ PrincipalID, ClientID string }
		}
		decode(t, s.want(t, 201, "owner", "PUT", uaiPath+"app?api-version=2023-01-31", `{"location":"eastus"}`), &made)
		s.callers["app"] = directory.ServicePrincipal{ID: made.Properties.PrincipalID, AppID: made.Properties.ClientID}
		s.assign(t, "app", "Reader", "/subscriptions/"+sub)
		old := s.token(t, "app")
		if w := s.shows(t, old); w.Code != http.StatusOK {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		const revoke = "app/revokeTokens?api-version=2023-07-31-preview"
		s.want(t, 403, "reader", "POST", uaiPath+revoke, "")
		s.want(t, 404, "owner", "POST", uaiPath+"none"+revoke[3:], "")
		if w := s.want(t, 200, "micontributor", "POST", uaiPath+revoke, ""); w.Body.Len() > 0 {
			t.Errorf("there is a body: %s", w.Body)
		}
		w := s.shows(t, old)
		challenge := w.Header().Get("WWW-Authenticate")
		claims := regexp.MustCompile(`^Bearer realm="", authorization_uri="[^"]+", error="insufficient_claims", .*claims="([^"]+)"$`).FindStringSubmatch(challenge)
		if w.Code != http.StatusUnauthorized || claims == nil || !strings.Contains(w.Body.String(), `"code":"InvalidAuthenticationToken"`) {
			t.Fatalf("%d %s %s", w.Code, challenge, w.Body)
		}
		text, err := base64.StdEncoding.DecodeString(claims[1])
		must(t, err)
		if want := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, s.now().Truncate(time.Second).Unix()+1); string(text) != want {
			t.Errorf("the claims are %s, not %s", text, want)
		}
		time.Sleep(2 * time.Second)
		if w := s.shows(t, s.token(t, "app")); w.Code != http.StatusOK {
			t.Errorf("a token issued later: %d %s", w.Code, w.Body)
		}
		if w := s.shows(t, old); w.Code != http.StatusUnauthorized {
			t.Errorf("the old token is good again: %d", w.Code)
		}
	})
}

func TestTokensOfDeletedOrDisabledSubjectsAreRefused(t *testing.T) {
	s := newStack(t)
	for name, end := range map[string]func(store.Tx, directory.ServicePrincipal) error{
		"reader": func(tx store.Tx, p directory.ServicePrincipal) error {
			return s.directory.DeleteServicePrincipal(tx, tenant, p.ID)
		},
		"contributor": func(tx store.Tx, p directory.ServicePrincipal) error {
			p.Enabled = false
			return s.directory.UpdateServicePrincipal(tx, p)
		},
	} {
		p := s.callers[name]
		raw := s.mint(t, token.Claims{Audience: audience, Subject: p.ID, ObjectID: p.ID, AppID: p.AppID, TenantID: tenant, Expires: s.now().Add(time.Hour)})
		if w := s.shows(t, raw); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		s.update(t, func(tx store.Tx) error { return end(tx, p) })
		if w := s.shows(t, raw); w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "InvalidAuthenticationToken") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}
