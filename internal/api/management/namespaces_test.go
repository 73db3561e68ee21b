package management_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/rbac"
)

// defaults is a stack with the namespaces of a server whose configuration says nothing of them.
func defaults(h *management.Handler) { h.Namespaces = management.DefaultNamespaces() }

// listed are the folded namespaces of the default list.
func listed() map[string]bool {
	set := map[string]bool{}
	for _, n := range management.DefaultNamespaces() {
		set[arm.Fold(n)] = true
	}
	return set
}

// granted are the namespaces of which a role allows the writing of some type that its actions do not
// name in full.
func granted(d rbac.Definition) (all []string) {
	for _, p := range d.Permissions {
		for _, action := range p.Actions {
			namespace, rest, found := strings.Cut(action, "/")
			if found && strings.HasSuffix(rest, "*") && !strings.Contains(namespace, "*") {
				all = append(all, namespace)
			}
		}
	}
	return all
}

// Each built-in role tries to create a resource with an identity in each provider of which it may
// write something, of a type that nobody knows.
func TestRolesCreateNoResourcesOfUnlistedProviders(t *testing.T) {
	s := newStackOf(t, defaults)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	known, tried := listed(), 0
	for _, d := range builtinRoles() {
		s.addCaller(t, d.RoleName)
		s.assign(t, d.RoleName, d.RoleName, "/subscriptions/"+sub)
		for i, namespace := range granted(d) {
			if known[arm.Fold(namespace)] {
				continue
			}
			tried++
			path := fmt.Sprintf("{sub}/resourceGroups/rg/providers/%s/things/t%d%s", namespace, i, compute24)
			for _, method := range []string{"PUT", "PATCH"} {
				w := s.do(t, d.RoleName, method, path, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
				if w.Code != 404 {
					t.Errorf("%s: %s %s: %d %s", d.RoleName, method, path, w.Code, w.Body)
				}
			}
		}
	}
	if tried < 10 {
		t.Errorf("only %d providers were tried", tried)
	}
}

// A role with all of Support is in nearly every other; its provider has no resources with identities.
func TestSupportIsNotListed(t *testing.T) {
	for _, namespace := range []string{"Microsoft.Support", "Microsoft.Insights", "Microsoft.Authorization", "Microsoft.Resources", "Microsoft.ManagedIdentity"} {
		if listed()[arm.Fold(namespace)] {
			t.Errorf("%s is listed", namespace)
		}
	}
}

func TestResourcesOfUnlistedProviderCanBeReadAndDeleted(t *testing.T) {
	var h management.Handler
	s := newStackOf(t, func(with *management.Handler) {
		with.Namespaces = []string{management.AllNamespaces}
		h = *with
	})
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	job := "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/j"
	s.want(t, 201, "owner", "PUT", job+compute24, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	s.want(t, 201, "owner", "PUT", job+"/steps/s"+compute24, `{"location":"eastus"}`)
	s.want(t, 404, "owner", "PUT", "{sub}/resourceGroups/rg/providers/Nodots/jobs/j"+compute24, `{"location":"eastus"}`)

	h.Namespaces = nil // the next start has another configuration
	s.restart(t, h)
	s.want(t, 200, "owner", "GET", job+compute24, "")
	s.want(t, 204, "owner", "HEAD", job+compute24, "")
	s.want(t, 200, "owner", "GET", "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs"+compute24, "")
	s.want(t, 403, "vmcontributor", "GET", job+compute24, "")
	name := uuid.NewString()
	assignment := job + "/providers/Microsoft.Authorization/roleAssignments/" + name + authorization22
	s.want(t, 201, "owner", "PUT", assignment, s.assignmentBody(t, "Reader", "nobody"))
	for _, method := range []string{"PUT", "PATCH"} {
		body := s.want(t, 404, "owner", method, job+compute24, `{"location":"eastus"}`).Body.String()
		if !strings.Contains(body, "InvalidResourceNamespace") {
			t.Error(body)
		}
	}
	s.want(t, 404, "owner", "POST", job+"/shake"+compute24, "")
	s.want(t, 200, "owner", "DELETE", job+compute24, "")
	s.want(t, 404, "owner", "GET", job+compute24, "")
	s.want(t, 404, "owner", "GET", job+"/steps/s"+compute24, "")
}

// restart serves the same store by another handler.
func (s *stack) restart(t testing.TB, h management.Handler) {
	t.Helper()
	handler, err := management.New(h)
	must(t, err)
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	must(t, err)
	s.Handler = httpx.New(handler, httpx.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: s.now, NewID: uuid.NewString})
}

func TestListedProvidersAcceptResources(t *testing.T) {
	s := newStackOf(t, defaults)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	raw := s.token(t, "owner")
	for _, namespace := range management.DefaultNamespaces() {
		if !management.ValidNamespace(namespace) {
			t.Errorf("%q is no namespace", namespace)
		}
		path := "/subscriptions/" + sub + "/resourceGroups/rg/providers/" + namespace + "/things/x" + compute24
		var w *httptest.ResponseRecorder
		if w = s.as(t, raw, "PUT", path, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`); w.Code != 201 {
			t.Errorf("%s: %d %s", namespace, w.Code, w.Body)
		}
	}
}

func TestNamespacesHaveADefault(t *testing.T) {
	all := len(management.DefaultNamespaces())
	for _, c := range []struct {
		given []string
		want  int
	}{
		{nil, all}, {[]string{}, 0}, {[]string{"default"}, all}, {[]string{"default", "Contoso.Apps"}, all + 1}, {[]string{"*"}, 1},
	} {
		if got := management.ExpandNamespaces(c.given); len(got) != c.want {
			t.Errorf("%v: %d namespaces", c.given, len(got))
		}
	}
	for _, bad := range []string{"Contoſo.Apps", "Contoso", "Contoso.*", "", "*.*", ".a", "a."} {
		if management.ValidNamespace(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}

// The manual and the code say the same.
func TestDefaultNamespacesAreDocumented(t *testing.T) {
	for _, file := range []string{"../../../config.go", "../../../docs/operations.md"} {
		text, err := os.ReadFile(file)
		must(t, err)
		words := map[string]bool{}
		for _, word := range strings.FieldsFunc(string(text), func(c rune) bool { return strings.ContainsRune(" ,\n\t/", c) }) {
			words[word] = true
		}
		for _, namespace := range management.DefaultNamespaces() {
			if !words[namespace] {
				t.Errorf("%s does not list %s", file, namespace)
			}
		}
	}
}
