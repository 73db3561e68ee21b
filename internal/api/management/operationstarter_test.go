package management_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestOperationStarterCanPollWithoutRole has callers whose rights end at a group. The
// operations are at the subscription, and the deletion of the group deletes the role assignments.
func TestOperationStarterCanPollWithoutRole(t *testing.T) {
	const group = "{sub}/resourceGroups/rg"
	for _, row := range []struct {
		name, role, method, path, body, header string
		status                                 int
	}{
		{"the end of a group", "Owner", "DELETE", group + core, "", "Location", 202},
		{"a new machine", "Virtual Machine Contributor", "PUT", vmPath + "new" + compute24, `{"location":"eastus"}`, "Azure-AsyncOperation", 201},
		{"the end of a machine", "Virtual Machine Contributor", "DELETE", vmPath + compute24, "", "Location", 202},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newStack(t)
			s.want(t, 201, "owner", "PUT", group+core, `{"location":"eastus"}`)
			s.want(t, 201, "owner", "PUT", vmPath+compute24, `{"location":"eastus"}`)
			for _, name := range []string{"starter", "neighbour"} {
				s.addCaller(t, name)
				s.assign(t, name, row.role, "/subscriptions/"+sub+"/resourceGroups/rg")
			}
			w := s.want(t, row.status, "starter", row.method, row.path, row.body)
			poll := strings.TrimPrefix(w.Header().Get(row.header), origin)
			s.want(t, 200, "starter", "GET", s.followed(t, "starter", poll), "")
			s.want(t, 200, "reader", "GET", poll, "")
			s.want(t, 403, "neighbour", "GET", poll, "")
			other := strings.Replace(poll, "?", "x?", 1)
			s.want(t, 403, "starter", "GET", other, "")
			s.want(t, 404, "reader", "GET", other, "")
		})
	}
}

// followed polls until the operation has ended, and gives the address back.
func (s *stack) followed(t testing.TB, caller, poll string) string {
	t.Helper()
	var w *httptest.ResponseRecorder
	for w = s.do(t, caller, "GET", poll, ""); w.Code == 202; w = s.do(t, caller, "GET", poll, "") {
		time.Sleep(time.Millisecond)
	}
	if w.Code != 200 {
		t.Fatalf("%s ended with %d %s", poll, w.Code, w.Body)
	}
	return poll
}
