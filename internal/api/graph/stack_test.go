package graph_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/graph"
	"midas/internal/api/httpx"
	"midas/internal/directory"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/store/storetest"
	"midas/internal/throttle"
	"midas/internal/token"
)

const (
	origin      = "https://server.midas.test"
	audience    = "https://graph.microsoft.com"
	tenant      = "11111111-1111-1111-1111-111111111111"
	otherTenant = "99999999-9999-9999-9999-999999999999"
	domain      = "midas.test"
)

// stack is the handler with its dependencies as the server wires them, without sockets.
type stack struct {
	http.Handler
	graph     *graph.Handler
	store     store.Store
	issuer    *token.Issuer
	directory *directory.Directory
	now       func() time.Time
	rights    rights
	callers   map[string]token.Claims
	names     map[string]string // {name} in paths and bodies
}

// rights are the object ids of the principals that may create Azure role assignments.
type rights map[string]bool

func (r rights) MayAssignRoles(_ store.Tx, _ string, principals []string) (bool, error) {
	return slices.ContainsFunc(principals, func(id string) bool { return r[id] }), nil
}

// callers are the users and service principals of every stack, with their directory roles and app roles of
// Microsoft Graph.
var (
	users = map[string]string{
		"ga": directory.GlobalAdministrator, "appadmin": directory.ApplicationAdministrator, "member": "",
		"cloudadmin": directory.CloudAppAdministrator, "roleadmin": directory.PrivilegedRoleAdmin,
		"useradmin": directory.UserAdministrator, "pwadmin": directory.PasswordAdministrator,
	}
	principals = map[string]string{"reader": directory.DirectoryReaders, "nobody": ""}
	appRoles   = map[string]string{
		"app.rw": directory.RoleApplicationReadWriteAll, "app.r": directory.RoleApplicationReadAll, "app.own": directory.RoleApplicationReadWriteOwnedBy,
		"dir.r": directory.RoleDirectoryReadAll, "dir.rw": directory.RoleDirectoryReadWriteAll,
		"consent.rw": directory.RoleDelegatedPermissionGrantReadWriteAll, "password.rw": directory.RolePasswordProfileReadWriteAll,
		"user.r": directory.RoleUserReadAll, "user.rw": directory.RoleUserReadWriteAll,
		"group.r": directory.RoleGroupReadAll, "member.r": directory.RoleGroupMemberReadAll, "group.rw": directory.RoleGroupReadWriteAll,
		"grant.rw": directory.RoleAppRoleAssignmentReadWriteAll, "role.rw": directory.RoleRoleManagementReadWrite,
	}
)

func newStack(t testing.TB) *stack { return newStackAt(t, time.Now) }

func newStackAt(t testing.TB, now func() time.Time) *stack {
	t.Helper()
	s := &stack{store: storetest.Memory(t), now: now, callers: map[string]token.Claims{}, names: map[string]string{"tenant": tenant}}
	keys, err := token.OpenKeys(t.Context(), token.KeysConfig{Store: s.store, Master: seal.MasterKey{1}, Now: now, MaxTokenLifetime: 24 * time.Hour})
	must(t, err)
	s.issuer = &token.Issuer{Keys: keys, Now: now, NewID: uuid.NewString, Origin: origin}
	s.directory = &directory.Directory{Store: s.store, Now: now, NewID: uuid.NewString, Hosts: []string{"server.midas.test"}}
	s.rights = rights{}
	pages, err := seal.NewPages(seal.MasterKey{2})
	must(t, err)
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	must(t, err)
	s.graph, err = graph.New(graph.Handler{
		Origin: origin, Tokens: &token.Verifier{Keys: keys, Now: now, Origin: origin}, Directory: s.directory,
		Rights: s.rights, Passwords: &throttle.PasswordLimiter{Table: &throttle.Table{Now: now}}, Store: s.store, Pages: pages, Now: now, NewID: uuid.NewString,
	})
	must(t, err)
	s.Handler = httpx.New(s.graph, httpx.Options{Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: uuid.NewString})
	s.populate(t)
	return s
}

func (s *stack) populate(t testing.TB) {
	t.Helper()
	s.update(t, func(tx store.Tx) error {
		must(t, s.directory.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: "Test", DefaultDomain: domain}))
		return s.directory.PutTenant(tx, directory.Tenant{ID: otherTenant, DisplayName: "Other", DefaultDomain: "other.test"})
	})
	for name, role := range users {
		id := uuid.NewString()
		s.update(t, func(tx store.Tx) error {
			return s.directory.CreateUser(tx, directory.User{
				ID: id, TenantID: tenant, UserPrincipalName: name + "@" + domain, DisplayName: name, Enabled: true,
			}, "")
		})
		s.add(t, name, tenant, id, role)
		c := s.callers[name]
		c.Scopes = directory.ScopeDirectoryAccessAsUser
		s.callers[name] = c
	}
	for name, role := range principals {
		s.addPrincipal(t, name, tenant, role)
	}
	for name, role := range appRoles {
		s.addPrincipal(t, name, tenant, "")
		s.assign(t, name, role)
	}
	s.addPrincipal(t, "stranger", otherTenant, directory.GlobalAdministrator)
	s.names["graph"] = directory.FirstPartyPrincipals(tenant)[0].ID
}

func (s *stack) addPrincipal(t testing.TB, name, tenant, role string) {
	t.Helper()
	id := uuid.NewString()
	s.update(t, func(tx store.Tx) error {
		return s.directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: id, AppID: uuid.NewString(), TenantID: tenant, DisplayName: name, Type: directory.TypeManagedIdentity, Enabled: true,
			AlternativeNames: []string{"isExplicit=True", "/subscriptions/x/resourcegroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/" + name},
		})
	})
	s.add(t, name, tenant, id, role)
}

// assign assigns an app role of Microsoft Graph to a service principal.
func (s *stack) assign(t testing.TB, name, role string) {
	t.Helper()
	graph := directory.FirstPartyPrincipals(tenant)[0]
	roles, err := s.directory.RolesOf(nil, graph)
	must(t, err)
	i := slices.IndexFunc(roles, func(r directory.AppRole) bool { return r.Value == role })
	s.update(t, func(tx store.Tx) error {
		_, err := s.directory.AssignAppRole(tx, directory.AppRoleAssignment{
			TenantID: tenant, PrincipalID: s.names[name], ResourceID: graph.ID, AppRoleID: roles[i].ID,
		})
		return err
	})
}

func (s *stack) add(t testing.TB, name, tenant, id, role string) {
	t.Helper()
	if role != "" {
		s.update(t, func(tx store.Tx) error { return s.directory.AssignDirectoryRole(tx, tenant, role, id) })
	}
	s.callers[name] = token.Claims{Audience: audience, Subject: id, ObjectID: id, TenantID: tenant, AppID: id}
	s.names[name] = id
}

func (s *stack) update(t testing.TB, fn func(store.Tx) error) {
	t.Helper()
	_, err := s.store.Update(t.Context(), fn)
	must(t, err)
}

func (s *stack) token(t testing.TB, caller string) string {
	t.Helper()
	c, known := s.callers[caller]
	if !known {
		t.Fatalf("no caller %q", caller)
	}
	c.Expires = s.now().Add(time.Hour)
	raw, err := s.issuer.Mint(t.Context(), c)
	must(t, err)
	return raw
}

// fill replaces {names}.
func (s *stack) fill(text string) string {
	for name, value := range s.names {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// send sends a request below /v1.0/ as a caller, or without a token if caller is "". It escapes spaces in
// the path.
func (s *stack) send(t testing.TB, caller, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	target := s.fill(path)
	if !strings.HasPrefix(target, "/") {
		target = "/v1.0/" + target
	}
	target = strings.NewReplacer(" ", "%20", `"`, "%22").Replace(target)
	r, err := http.NewRequest(method, origin+target, strings.NewReader(s.fill(body)))
	must(t, err)
	r.RequestURI, r.RemoteAddr = target, "127.0.0.1:1"
	r.Header.Set("Content-Type", "application/json")
	if caller != "" {
		r.Header.Set("Authorization", "Bearer "+s.token(t, caller))
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(t.Context()))
	return w
}

// answer is a JSON response.
type answer map[string]any

// want sends a request and checks the status.
func (s *stack) want(t testing.TB, status int, caller, method, path, body string, headers ...string) answer {
	t.Helper()
	w := s.send(t, caller, method, path, body, headers...)
	if w.Code != status {
		t.Fatalf("%s %s as %s:\n got %d %s\nwant %d", method, path, caller, w.Code, w.Body, status)
	}
	return decode(t, w)
}

func decode(t testing.TB, w *httptest.ResponseRecorder) answer {
	t.Helper()
	var a answer
	if w.Body.Len() > 0 && strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") {
		must(t, json.Unmarshal(w.Body.Bytes(), &a))
	}
	return a
}

// as creates an object and records its id under a name.
func (s *stack) as(t testing.TB, name, path, body string) answer {
	t.Helper()
	a := s.want(t, 201, "ga", "POST", path, body)
	s.names[name] = a["id"].(string)
	if appID, ok := a["appId"].(string); ok {
		s.names[name+".appid"] = appID
	}
	return a
}

// user, group and app create objects with default properties.
func (s *stack) user(t testing.TB, name string) {
	s.as(t, name, "users", fmt.Sprintf(`{"accountEnabled":true,"displayName":%q,"mailNickname":%[1]q,"userPrincipalName":"%[1]s@midas.test","passwordProfile":{"password":"Test1234!!","forceChangePasswordNextSignIn":false}}`, name))
}

func (s *stack) group(t testing.TB, name string) {
	s.as(t, name, "groups", fmt.Sprintf(`{"displayName":%q,"mailNickname":"nick","mailEnabled":false,"securityEnabled":true}`, name))
}

func (s *stack) app(t testing.TB, name string) {
	s.as(t, name, "applications", fmt.Sprintf(`{"displayName":%q}`, name))
	s.as(t, name+".sp", "servicePrincipals", `{"appId":"{`+name+`.appid}"}`)
}

func (a answer) error() string {
	e, _ := a["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

// values returns a property of all objects of a list.
func (a answer) values(property string) []string {
	found := []string{}
	list, _ := a["value"].([]any)
	for _, v := range list {
		switch v := v.(type) {
		case map[string]any:
			found = append(found, fmt.Sprint(v[property]))
		default:
			found = append(found, fmt.Sprint(v))
		}
	}
	return found
}

// ref is the body of a request that adds a reference.
func ref(name string) string {
	return `{"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/{` + name + `}"}`
}

func query(options ...string) string {
	v := url.Values{}
	for i := 0; i < len(options); i += 2 {
		v.Set(options[i], options[i+1])
	}
	return "?" + v.Encode()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
