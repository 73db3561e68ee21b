package graph_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

// late is a request body that runs a function before its first byte.
type late struct {
	io.Reader
	before func()
}

func (l *late) Read(p []byte) (int, error) {
	if l.before != nil {
		l.before()
		l.before = nil
	}
	return l.Reader.Read(p)
}

// A request is authorized before its body is read and again in its transaction, so it is refused if a right
// was removed or the object became privileged in between.
func TestRightsAreCheckedInTheTransaction(t *testing.T) {
	for name, test := range map[string]struct {
		caller, method, path, body string
		status                     int
		before                     func(t *testing.T, s *stack)
	}{
		"the role was taken away": {"appadmin", "POST", "applications", `{"displayName":"late"}`, 403, func(t *testing.T, s *stack) {
			s.want(t, 204, "ga", "DELETE", "directoryRoles/"+directory.ApplicationAdministrator+"/members/{appadmin}/$ref", "")
		}},
		"the caller was disabled": {"useradmin", "PATCH", "users/{u}", `{"passwordProfile":{"password":"Stolen-1234"}}`, 401, func(t *testing.T, s *stack) {
			s.want(t, 204, "ga", "PATCH", "users/{useradmin}", `{"accountEnabled":false}`)
		}},
		"the caller was deleted": {"app.rw", "POST", "applications/{a}/addPassword", `{}`, 401, func(t *testing.T, s *stack) {
			s.update(t, func(tx store.Tx) error {
				return s.directory.DeleteManagedIdentityPrincipal(tx, tenant, s.names["app.rw"])
			})
		}},
		"the application has become powerful": {"app.rw", "POST", "applications/{a}/addPassword", `{}`, 403, func(t *testing.T, s *stack) {
			s.assign(t, "a.sp", directory.RoleRoleManagementReadWrite)
		}},
		"the user has become an administrator": {"useradmin", "PATCH", "users/{u}", `{"passwordProfile":{"password":"Stolen-1234"}}`, 403, func(t *testing.T, s *stack) {
			s.update(t, func(tx store.Tx) error {
				return s.directory.AssignDirectoryRole(tx, tenant, directory.GlobalAdministrator, s.names["u"])
			})
		}},
		"the group may give roles in Azure now": {"group.rw", "POST", "groups/{g}/members/$ref", ref("nobody"), 403, func(_ *testing.T, s *stack) {
			s.rights[s.names["g"]] = true
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := populated(t)
			target := "/v1.0/" + s.fill(test.path)
			body := &late{strings.NewReader(s.fill(test.body)), func() { test.before(t, s) }}
			r, err := http.NewRequestWithContext(t.Context(), test.method, origin+target, body)
			must(t, err)
			r.RequestURI, r.RemoteAddr = target, "127.0.0.1:1"
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+s.token(t, test.caller))
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("%d %s, want %d", w.Code, w.Body, test.status)
			}
		})
	}
}
