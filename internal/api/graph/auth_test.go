package graph_test

import (
	"strings"
	"testing"
	"time"

	"midas/internal/directory"
	"midas/internal/store"
)

func TestInvalidTokensAreRefused(t *testing.T) {
	s := newStack(t)
	good := s.token(t, "member")
	for name, test := range map[string]struct{ header, message string }{
		"none":            {"", "Access token is empty."},
		"basic":           {"Basic dTpw", "Access token is empty."},
		"nonsense":        {"Bearer nonsense", "CompactToken parsing failed"},
		"alg none":        {"Bearer eyJhbGciOiJub25lIn0.e30.", "CompactToken parsing failed"},
		"changed":         {"Bearer " + good[:len(good)-6] + "AAAAAA", "Invalid signature"},
		"a good one":      {"Bearer " + good, ""},
		"in lower case":   {"bearer " + good, ""},
		"with a space":    {"Bearer  " + good, ""},
		"two in one line": {"Bearer " + good + " " + good, "CompactToken parsing failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.send(t, "", "GET", "me", "", "Authorization: "+test.header)
			if test.message == "" {
				if w.Code != 200 {
					t.Fatalf("%d %s", w.Code, w.Body)
				}
				return
			}
			if w.Code != 401 || !strings.Contains(w.Body.String(), test.message) || decode(t, w).error() != "InvalidAuthenticationToken" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="", authorization_uri="`+origin+`/common/oauth2/authorize"`) {
				t.Error(got)
			}
		})
	}
	c := s.callers["member"]
	c.Audience = "https://management.azure.com/"
	s.callers["for arm"] = c
	if w := s.send(t, "for arm", "GET", "me", ""); w.Code != 401 || !strings.Contains(w.Body.String(), "Invalid audience") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, audience := range []string{"https://graph.microsoft.com/", directory.GraphAppID, origin} {
		c.Audience = audience
		s.callers["variant"] = c
		s.want(t, 200, "variant", "GET", "me", "")
	}
	c.Audience, c.ObjectID = audience, "00000000-0000-4000-8000-00000000dead"
	s.callers["ghost"] = c
	s.want(t, 401, "ghost", "GET", "organization", "")
	s.want(t, 401, "", "GET", "no/such/path", "") // a caller without a token does not learn which paths exist
	s.want(t, 400, "member", "GET", "no/such/path", "")
}

func TestExpiredAndDisabledCallersAreRefused(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	s := newStackAt(t, func() time.Time { return now })
	raw := "Authorization: Bearer " + s.token(t, "member")
	s.want(t, 200, "", "GET", "me", "", raw)
	s.want(t, 200, "member", "POST", "me/revokeSignInSessions", "")
	s.want(t, 401, "", "GET", "me", "", raw)
	now = now.Add(time.Second)
	raw = "Authorization: Bearer " + s.token(t, "member")
	s.want(t, 200, "", "GET", "me", "", raw)
	s.want(t, 204, "ga", "PATCH", "users/{member}", `{"accountEnabled":false}`)
	s.want(t, 401, "", "GET", "me", "", raw)
	s.want(t, 204, "ga", "PATCH", "users/{member}", `{"accountEnabled":true}`)
	s.want(t, 401, "", "GET", "me", "", raw)
	now = now.Add(2 * time.Hour)
	if w := s.send(t, "", "GET", "me", "", raw); w.Code != 401 || !strings.Contains(w.Body.String(), "expired") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestDirectoryRolesTakeEffectAtOnce(t *testing.T) {
	s := newStack(t)
	s.want(t, 403, "nobody", "GET", "users", "")
	s.update(t, func(tx store.Tx) error {
		return s.directory.AssignDirectoryRole(tx, tenant, directory.DirectoryReaders, s.names["nobody"])
	})
	s.want(t, 200, "nobody", "GET", "users", "")
	s.want(t, 204, "ga", "DELETE", "directoryRoles/"+directory.DirectoryReaders+"/members/{nobody}/$ref", "")
	s.want(t, 403, "nobody", "GET", "users", "")
}

func TestErrorsHaveGraphsShape(t *testing.T) {
	s := populated(t)
	w := s.send(t, "ga", "GET", "users/none", "", "client-request-id: 12345678-0000-4000-8000-000000000000")
	inner, _ := decode(t, w)["error"].(map[string]any)["innerError"].(map[string]any)
	if w.Code != 404 || inner["request-id"] != w.Header().Get("request-id") || inner["client-request-id"] != "12345678-0000-4000-8000-000000000000" || inner["date"] == nil {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	for _, test := range []struct {
		status             int
		method, path, body string
	}{
		{400, "GET", "users/{ga}/nonsense", ""},
		{400, "GET", "nonsense", ""},
		{400, "GET", "users(nonsense='x')", ""},
		{400, "GET", "users(x)", ""},
		{400, "GET", "users('x'", ""},
		{400, "GET", "groups/{g}/members/microsoft.graph.nonsense", ""},
		{404, "GET", "users('it''s')", ""},
		{404, "GET", "applications/{ga}", ""},
		{405, "PUT", "users", "{}"},
		{405, "DELETE", "organization", ""},
		{400, "POST", "groups", "[]"},
		{400, "POST", "groups", "{"},
		{400, "POST", "groups", "null"},
		{400, "POST", "groups", ""},
		{413, "POST", "groups", `{"displayName":"` + strings.Repeat("x", 2<<20) + `"}`},
		{414, "GET", "users?" + strings.Repeat("x", 9000), ""},
	} {
		w := s.send(t, "ga", test.method, test.path, test.body)
		path := test.path[:min(len(test.path), 40)]
		if w.Code != test.status || decode(t, w).error() == "" {
			t.Errorf("%s %s: %d %s, want %d", test.method, path, w.Code, w.Body, test.status)
		}
	}
}
