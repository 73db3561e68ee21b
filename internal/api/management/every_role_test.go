package management_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"

	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/rbac"
)

// callableRoles returns the built-in roles as which tests call every operation: those for general use, identities
// and machines, and a tenth of the others, because each call costs a request.
func callableRoles() (some []rbac.Definition) {
	general := regexp.MustCompile(`^(Owner|Contributor|Reader|User Access Administrator|Role Based Access Control Administrator|Tag Contributor|Monitoring Reader|Managed Identity .*|Virtual Machine Contributor|Network Contributor|Azure Connected Machine .*|Storage Blob Data .*|Key Vault (Administrator|Reader|Secrets User)|Acr(Pull|Push))$`)
	for i, d := range builtinRoles() {
		if i%10 == 0 || general.MatchString(d.RoleName) {
			some = append(some, d)
		}
	}
	return some
}

// TestEveryRoleOnEveryOperation calls every operation of the table, at every level at which it stands,
// as every one of the callableRoles. Whether a role allows it is judged by an evaluator of this test's own, which
// knows actions, notActions and the wildcard and nothing else. A row that is added to the table is
// tested without a change here.
func TestEveryRoleOnEveryOperation(t *testing.T) {
	s := newStackOf(t, func(h *management.Handler) {
		h.Namespaces = []string{"Contoso.Apps"}
		h.Fleet = fleet.New(fleet.Config{
			Store: h.Store, Log: h.Activity, Resources: h.Resources, Identities: h.Identities,
			Logger: slog.New(slog.DiscardHandler), Now: h.Now, NewID: h.NewID,
		})
	})
	bearers := map[string]string{}
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	callable := callableRoles()
	for _, d := range callable {
		s.addCaller(t, d.RoleName)
		s.assign(t, d.RoleName, d.RoleName, "/subscriptions/"+sub)
		bearers[d.RoleName] = s.token(t, d.RoleName)
	}
	rows := 0
	for _, op := range s.management.Surface() {
		for _, at := range []arm.Level{arm.AtTenant, arm.AtSubscription, arm.AtGroup, arm.AtResource} {
			if op.At&at == 0 {
				continue
			}
			path := pathOf(op, at)
			for _, d := range callable {
				rows++
				answer := s.bare(op.Method, path, bearers[d.RoleName])
				got := answer.Code != http.StatusForbidden
				want := op.Perform == "" || op.Visible || lists(op) && at != arm.AtTenant || naivelyAllows(d, performed(op)) && at != arm.AtTenant
				if answer.Code == http.StatusUnauthorized || answer.Code >= 500 {
					t.Errorf("%s %s as %s: %d %s", op.Method, path, d.RoleName, answer.Code, answer.Body)
				}
				if got != want {
					t.Errorf("%s %s as %s: allowed %v, want %v by its actions (%d %s)", op.Method, path, d.RoleName, got, want, answer.Code, answer.Body)
				}
			}
			if answer := s.do(t, "nobody", op.Method, path, ""); op.Perform != "" && answer.Code != http.StatusForbidden {
				t.Errorf("%s %s without any role: %d", op.Method, path, answer.Code)
			}
			if answer := s.do(t, "", op.Method, path, ""); answer.Code != http.StatusUnauthorized {
				t.Errorf("%s %s without a token: %d", op.Method, path, answer.Code)
			}
		}
	}
	if rows < 1000 {
		t.Errorf("only %d rows", rows)
	}
}

// lists reports whether an operation lists resources of all types, which a caller with any role may do.
func lists(op management.Operation) bool {
	return op.Type.Is("Microsoft.Resources/subscriptions/resources") || op.Type.Is("Microsoft.Resources/subscriptions/resourceGroups/resources")
}

// bare sends a request without a body and with a token that was made before.
func (s *stack) bare(method, path, bearer string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{sub}", "/subscriptions/"+sub), nil)
	r.Header.Set("Authorization", "Bearer "+bearer)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// pathOf is a path that leads to an operation at a level. What it names does not exist, so that no call
// changes what another one finds.
func pathOf(op management.Operation, at arm.Level) string {
	scope := map[arm.Level]string{
		arm.AtTenant: "", arm.AtSubscription: "{sub}", arm.AtGroup: "{sub}/resourceGroups/rg",
		arm.AtResource: "{sub}/resourceGroups/rg/providers/Contoso.Apps/jobs/none",
	}[at]
	typ := strings.NewReplacer("{type}", "Contoso.Apps/jobs", "{namespace}", "Microsoft.Compute").Replace(string(op.Type))
	words := strings.Split(typ, "/")
	var path string
	switch {
	case arm.SameName(words[0], "Microsoft.Resources"):
		path = corePath(words[1:], scope)
	default:
		path = scope + "/providers/" + words[0]
		for _, word := range words[1:] {
			path += "/" + word + "/" + nameOf(word)
		}
	}
	if op.Target == arm.Collection || op.Target == arm.Action && op.Verb == "" {
		path = path[:strings.LastIndex(path, "/")]
	}
	if op.Target == arm.Action && op.Verb != "" {
		path += "/" + op.Verb
	}
	version := "2022-04-01"
	if len(op.Versions) > 0 {
		version = string(op.Versions[len(op.Versions)-1])
	}
	return path + "?api-version=" + version
}

// corePath is the path of a type that ARM itself serves.
func corePath(words []string, scope string) string {
	switch last := words[len(words)-1]; {
	case arm.SameName(last, "tenants"):
		return "/tenants/x"
	case arm.SameName(last, "subscriptions"):
		return "/subscriptions/" + sub
	case arm.SameName(last, "providers"):
		return scope + "/providers/Microsoft.Compute"
	case arm.SameName(last, "tags"):
		return scope + "/providers/Microsoft.Resources/tags/default"
	case arm.SameName(last, "tagValues"):
		return scope + "/tagNames/none/tagValues/none"
	default:
		return scope + "/" + last + "/" + nameOf(last)
	}
}

func nameOf(word string) string {
	if arm.SameName(word, "identities") || arm.SameName(word, "tags") {
		return "default"
	}
	if arm.SameName(word, "roleAssignments") || arm.SameName(word, "roleDefinitions") {
		return uuid.NewString()
	}
	return "none"
}

// performed is the action of an operation as pathOf addresses it.
func performed(op management.Operation) string {
	return strings.NewReplacer("{namespace}", "Microsoft.Compute", "{type}", "Contoso.Apps/jobs").Replace(op.Perform)
}

// naivelyAllows reads a role's permissions as Microsoft's documentation describes them: what some
// permission's actions match and its notActions do not.
func naivelyAllows(d rbac.Definition, action string) bool {
	matches := func(patterns []string) bool {
		for _, p := range patterns {
			expression := "(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*") + "$"
			// The documentation's own */assign/action names an operation with nothing in the middle.
			shorter := "(?i)^" + strings.ReplaceAll(regexp.QuoteMeta(p), `/\*/`, "/(.*/)?") + "$"
			if regexp.MustCompile(expression).MatchString(action) || regexp.MustCompile(strings.ReplaceAll(shorter, `\*`, ".*")).MatchString(action) {
				return true
			}
		}
		return false
	}
	for _, p := range d.Permissions {
		if matches(p.Actions) && !matches(p.NotActions) {
			return true
		}
	}
	return false
}
