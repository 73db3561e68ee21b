package management_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"midas/internal/activity"
	"midas/internal/api/management"
	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// replay sends recorded requests to a stack of its own, after it has made what a recording takes for granted:
// groups, resources, principals and role assignments that the recording reads before it, or nobody, makes them.
type replay struct {
	*stack
	translator
	operations map[string]string // the address of an asynchronous operation, by the recorded name
}

func newReplay(t *testing.T) *replay {
	t.Helper()
	all := newStackOf(t, func(h *management.Handler) { h.Namespaces = []string{management.AllNamespaces} })
	return &replay{stack: all, operations: map[string]string{}, translator: translator{texts: map[string]string{
		recordedSub: sub, recordedTenant: tenant, "https://management.azure.com": origin,
	}}}
}

// pathOfRequest parses the path of an recordedExchange.
func pathOfRequest(t *testing.T, method, target string) arm.Path {
	t.Helper()
	escaped, _, _ := strings.Cut(target, "?")
	path, err := arm.ParsePath(method, escaped)
	must(t, err)
	return path
}

// play prepares and sends a request.
func (r *replay) play(t *testing.T, e recordedExchange) *httptest.ResponseRecorder {
	t.Helper()
	if name := operationName(e.URI); name != "" && r.operations[name] != "" {
		return r.do(t, "owner", e.Method, strings.TrimPrefix(r.operations[name], origin), "")
	}
	r.prepare(t, e)
	e.URI = r.recent(e.URI)
	caller := "owner"
	if e.Code == http.StatusForbidden {
		caller = "nobody"
		r.nameCaller(e, caller)
	}
	w := r.do(t, caller, e.Method, r.text(e.target()), r.text(e.Body))
	if recorded := strings.Join(e.Headers["azure-asyncoperation"], ""); recorded != "" {
		r.operations[operationName(recorded)] = w.Header().Get("Azure-AsyncOperation")
	}
	return w
}

var timesOfLog = regexp.MustCompile(`(eventTimestamp%20ge%20)2023[^%]*%3A[^%]*%3A\d+Z|(eventTimestamp%20le%20)2023[^%]*%3A[^%]*%3A\d+Z`)

// recent moves a query of the activity log to the time of the replay.
func (r *replay) recent(uri string) string {
	return timesOfLog.ReplaceAllStringFunc(uri, func(term string) string {
		at := r.now().Add(-time.Hour)
		if strings.Contains(term, "%20le%20") {
			at = r.now().Add(time.Hour)
		}
		return term[:len("eventTimestamp%20ge%20")] + url.QueryEscape(at.UTC().Format(time.RFC3339))
	})
}

var operationAt = regexp.MustCompile(`/locations/[^/]+/operations/([^?]+)`)

func operationName(uri string) string {
	if m := operationAt.FindStringSubmatch(uri); m != nil {
		return m[1]
	}
	return ""
}

var clientOf = regexp.MustCompile(`client '([^']+)' with object id '([^']+)'`)

// nameCaller makes the caller of the recording the one of the stack.
func (r *replay) nameCaller(e recordedExchange, caller string) {
	if _, message := e.refusal(); clientOf.MatchString(message) {
		m := clientOf.FindStringSubmatch(message)
		r.texts[m[1]], r.texts[m[2]] = r.callers[caller].AppID, r.callers[caller].ID
	}
}

// prepare makes the objects on which the answer depends, and removes those whose absence it reports.
func (r *replay) prepare(t *testing.T, e recordedExchange) {
	t.Helper()
	path := pathOfRequest(t, e.Method, e.target())
	code, message := e.refusal()
	if m := inDirectory.FindStringSubmatch(message); m != nil {
		r.texts[m[1]] = tenant
	}
	if code == "ResourceGroupNotFound" {
		return
	}
	r.giveScope(t, path, e)
	switch {
	case e.Code == http.StatusOK && e.Method == http.MethodGet && path.Target == arm.Instance && path.ID.IsResourceGroup():
		r.write(t, e.target(), []byte(e.Answer)) // again, because policies change its tags from outside
	case code == "ResourceNotFound" && e.fromGateway():
		r.takeMissing(t, path.ID, message)
	case code == "ParentResourceNotFound":
		if m := theParent.FindStringSubmatch(message); m != nil {
			r.take(t, m[1])
		}
	case code == "AuthorizationFailed":
	case code == "MissingSubscriptionRegistration":
		r.want(t, http.StatusOK, "owner", "POST", "{sub}/providers/"+path.ID.Type().Namespace()+"/unregister?api-version=2021-04-01", "")
	case code == "RoleAssignmentExists":
		r.giveSameAssignment(t, e)
	case e.Code == http.StatusOK && e.Method != http.MethodPut && e.Method != http.MethodPost && path.Target == arm.Instance:
		r.give(t, path.ID.String(), e.target(), []byte(e.Answer))
	case e.Code == http.StatusOK && path.Target == arm.Collection:
		r.giveList(t, e)
	case e.Code == http.StatusCreated && path.Type.Is("Microsoft.Authorization/roleAssignments"):
		r.givePrincipal(t, []byte(e.Body))
	}
}

var inDirectory = regexp.MustCompile(`the directory ([0-9a-f-]{36})`)

// giveScope makes the group that the request is in and, for an extension, the resource that it extends.
func (r *replay) giveScope(t *testing.T, path arm.Path, e recordedExchange) {
	t.Helper()
	group := path.ID.GroupScope()
	if group.ResourceGroup() == "" || path.ID.IsResourceGroup() && path.Target == arm.Instance {
		return
	}
	r.give(t, group.String(), group.String()+core, []byte(`{"location":"westus"}`))
	base := path.ID
	if path.Target == arm.Instance {
		base = path.ID.Base()
	}
	if base.IsResource() && e.Code != http.StatusForbidden && isExtension(path) {
		r.giveAncestors(t, base)
		r.giveAny(t, base)
	}
}

func isExtension(path arm.Path) bool {
	return arm.SameName(path.Type.Namespace(), "Microsoft.Authorization")
}

// giveAncestors makes the resources in which a resource is nested.
func (r *replay) giveAncestors(t *testing.T, id arm.ID) {
	t.Helper()
	for _, up := range outermostFirst(id.Parent()) {
		r.giveAny(t, up)
	}
}

// giveAny makes a resource without properties.
func (r *replay) giveAny(t *testing.T, id arm.ID) {
	t.Helper()
	target := id.String() + someVersionOf(id.Type())
	if r.do(t, "owner", "GET", r.text(target), "").Code != http.StatusOK {
		r.write(t, target, []byte(`{"location":"westus"}`))
	}
}

// outermostFirst returns a resource and those in which it is nested.
func outermostFirst(id arm.ID) (all []arm.ID) {
	for up := range id.Ancestors() {
		if up.IsResource() {
			all = append([]arm.ID{up}, all...)
		}
	}
	return all
}

// takeMissing removes the resource that a message reports as missing, and makes those in which it is nested.
func (r *replay) takeMissing(t *testing.T, id arm.ID, message string) {
	t.Helper()
	for _, up := range outermostFirst(id) {
		if up.Key() == id.Key() || arm.SameName(notFoundName(message), string(up.Type())+"/"+up.Name()) {
			r.take(t, up.String())
			return
		}
		r.giveAny(t, up)
	}
}

// take removes an object if it is there.
func (r *replay) take(t *testing.T, id string) {
	t.Helper()
	parsed, err := arm.ParseID(id)
	must(t, err)
	target := r.text(id) + someVersionOf(parsed.Type())
	if r.do(t, "owner", "GET", target, "").Code == http.StatusOK {
		r.do(t, "owner", "DELETE", target, "")
	}
}

var (
	theResource = regexp.MustCompile(`^The Resource '([^']+)' under`)
	theParent   = regexp.MustCompile(`because the parent resource '([^']+)' could`)
)

func notFoundName(message string) string {
	if m := theResource.FindStringSubmatch(message); m != nil {
		return m[1]
	}
	return ""
}

// someVersionOf returns a query with an api-version that a type has.
func someVersionOf(typ arm.Type) string {
	switch {
	case typ.Is(arm.TypeResourceGroup):
		return core
	case arm.SameName(typ.Namespace(), "Microsoft.Compute"):
		return compute24
	}
	return someVersion
}

const someVersion = "?api-version=2023-01-31"

// give makes an object as an answer shows it, unless it is there. The target gives the api-version.
func (r *replay) give(t *testing.T, id, target string, answer []byte) {
	t.Helper()
	_, query, _ := strings.Cut(target, "?")
	if r.do(t, "owner", "GET", r.text(id)+"?"+query, "").Code == http.StatusOK {
		return
	}
	if strings.Contains(id, "/providers/Microsoft.Authorization/roleAssignments/") {
		r.giveAssignment(t, answer)
		return
	}
	parsed, err := arm.ParseID(id)
	must(t, err)
	r.giveAncestors(t, parsed)
	r.write(t, id+"?"+query, answer)
}

// write makes an object as an answer shows it, as often as its etag says.
func (r *replay) write(t *testing.T, target string, answer []byte) {
	t.Helper()
	var seen map[string]any
	if json.Unmarshal(answer, &seen) != nil {
		seen = map[string]any{"location": "westus"}
	}
	body := map[string]any{}
	for _, name := range []string{"location", "tags", "kind", "sku", "zones", "plan", "properties", "identity"} {
		if value, shown := seen[name]; shown {
			body[name] = value
		}
	}
	r.giveIdentities(t, body)
	text, _ := seen["etag"].(string)
	changes, _ := strconv.Atoi(strings.Trim(text, `"`))
	for range max(changes, 1) {
		if w := r.do(t, "owner", "PUT", r.text(target), r.text(quoted(body))); w.Code > 201 {
			t.Logf("PUT %s: %d %s", target, w.Code, w.Body)
			return
		}
	}
}

// giveIdentities makes the identities that a resource has, and reduces its identity block to what a PUT has.
func (r *replay) giveIdentities(t *testing.T, body map[string]any) {
	t.Helper()
	block, _ := body["identity"].(map[string]any)
	used, _ := block["userAssignedIdentities"].(map[string]any)
	for id := range used {
		r.give(t, id, id+someVersion, []byte(`{"location":"westus"}`))
		used[id] = map[string]any{}
	}
	delete(block, "principalId")
	delete(block, "tenantId")
}

// giveList makes the elements of a recorded list.
func (r *replay) giveList(t *testing.T, e recordedExchange) {
	t.Helper()
	var list struct{ Value []json.RawMessage }
	if json.Unmarshal([]byte(e.Answer), &list) != nil {
		return
	}
	for _, element := range list.Value {
		var is struct{ ID, Type string }
		if json.Unmarshal(element, &is) == nil && is.ID != "" && made(arm.Type(is.Type)) {
			r.give(t, is.ID, e.target(), element)
		}
	}
}

// made reports whether the objects of a type are made by clients.
func made(typ arm.Type) bool {
	return !typ.Is("Microsoft.Authorization/roleDefinitions") && typ != ""
}

// recordedAssignment is a role assignment in a request or an answer.
type recordedAssignment struct {
	Name       string
	Properties struct {
		RoleDefinitionID, PrincipalID, PrincipalType, Scope string
		CreatedBy, Description                              string
	}
}

// givePrincipal makes the principal of a role assignment, unless the stack has made it or the type is given.
func (r *replay) givePrincipal(t *testing.T, body []byte) {
	t.Helper()
	var a recordedAssignment
	must(t, json.Unmarshal(body, &a))
	id := r.text(a.Properties.PrincipalID)
	if _, err := r.directory.PrincipalType(t.Context(), tenant, id); err == nil || a.Properties.PrincipalType != "" {
		return
	}
	_, err := r.store.Update(t.Context(), func(tx store.Tx) error {
		return r.directory.CreateServicePrincipal(tx, directory.ServicePrincipal{
			ID: id, AppID: "aaaaaaaa" + id[8:], TenantID: tenant, DisplayName: "recorded", Type: directory.TypeApplication, Enabled: true,
		})
	})
	must(t, err)
}

// giveAssignment makes a role assignment that a recording shows, if Midas has its role.
func (r *replay) giveAssignment(t *testing.T, answer []byte) {
	t.Helper()
	var a recordedAssignment
	must(t, json.Unmarshal([]byte(r.text(string(answer))), &a))
	p := a.Properties
	role, err := rbac.ParseDefinitionID(p.RoleDefinitionID)
	if _, known := rbac.DefinitionByID(role); err != nil || !known {
		return
	}
	scope := p.Scope
	if scope != "/" {
		id, err := arm.ParseID(scope)
		must(t, err)
		r.giveScope(t, arm.Path{ID: id, Target: arm.Collection, Type: "Microsoft.Authorization/roleAssignments"}, recordedExchange{})
	}
	_, err = r.rbac.PutAssignment(t.Context(), activity.Event{TenantID: tenant, CallerObjectID: p.CreatedBy}, rbac.Assignment{
		Name: a.Name, Scope: scope, TenantID: tenant, DefinitionID: role, PrincipalID: p.PrincipalID, PrincipalType: p.PrincipalType,
	})
	must(t, err)
}

// giveSameAssignment makes an assignment of the same role to the same principal, of another name.
func (r *replay) giveSameAssignment(t *testing.T, e recordedExchange) {
	t.Helper()
	var a recordedAssignment
	must(t, json.Unmarshal([]byte(r.text(e.Body)), &a))
	path := pathOfRequest(t, e.Method, r.text(e.target()))
	r.givePrincipal(t, []byte(quoted(a)))
	a.Properties.PrincipalType = "ServicePrincipal"
	a.Properties.Scope, a.Name = path.ID.Base().String(), "00000000"+path.ID.Name()[8:]
	r.giveAssignment(t, []byte(quoted(a)))
}

// isOwn reports whether the stack has made an element of a list for itself.
func (r *replay) isOwn(element any) bool {
	fields, _ := element.(map[string]any)
	properties, _ := fields["properties"].(map[string]any)
	for _, caller := range r.callers {
		if properties["principalId"] == caller.ID {
			return true
		}
	}
	return false
}

const (
	uai = "Microsoft.ManagedIdentity/userAssignedIdentities"
	fic = "federatedIdentityCredentials"
)
