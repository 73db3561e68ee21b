package management_test

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"midas/internal/oracle"
)

const readerRole = "acdd72a7-3385-48ef-bd42-f606fba81ae7"

// TestMicrosoftsExamples sends the requests that Microsoft's files give as examples. The status must
// be one that the example has, and the body must have the fields of the example's. Examples of
// Microsoft.ManagedIdentity are whole, so there must be no others; elsewhere they are abridged.
func TestMicrosoftsExamples(t *testing.T) {
	o, err := witness.Oracle()
	must(t, err)
	if o == nil {
		t.Skip("../shared/azure is not there")
	}
	x := &examples{stack: newStack(t)}
	for _, c := range []struct {
		provider   string
		operations string // those that Midas has
		least      int
	}{
		{"Microsoft.ManagedIdentity", `.`, 100},
		{"Microsoft.Authorization", `^RoleAssignments_(Create|Get|Delete|List)|^RoleDefinitions_(Get|List)|^Permissions_`, 55},
		{"Microsoft.Resources", `^ResourceGroups_(Create|Get|List|Update|Delete)|^Providers_(Get|List|Register)|^Tenants_|^Subscriptions_(Get|List)|^Resources_List`, 20},
		{"Microsoft.Insights", `^ActivityLogs_`, 2},
	} {
		all, err := o.Examples(c.provider)
		must(t, err)
		played, has := 0, regexp.MustCompile(c.operations)
		for _, e := range withLaterVersions(all) {
			if has.MatchString(e.ID) {
				t.Run(e.Version+" "+e.File, func(t *testing.T) { x.play(t, e) })
				played++
			}
		}
		t.Logf("%s: %d examples", c.provider, played)
		if played < c.least {
			t.Errorf("only %d examples of %s were played, not %d", played, c.provider, c.least)
		}
	}
}

// withLaterVersions plays the newest examples of Microsoft.ManagedIdentity in the versions that
// have none of their own, too: none of them has changed anything in these.
func withLaterVersions(all []oracle.Example) []oracle.Example {
	for _, e := range slices.Clone(all) {
		if e.Provider == "Microsoft.ManagedIdentity" && e.Version == "2023-07-31-preview" && !strings.HasSuffix(e.ID, "RevokeTokens") {
			for _, e.Version = range []string{"2024-11-30", "2025-05-31-preview", "2026-04-30", "2026-05-31"} {
				all = append(all, e)
			}
		}
	}
	return all
}

// apart is what Midas does otherwise than some examples, of which this is all that is known.
type apart struct {
	examples string   // expression for version and operation
	status   int      // it answers this
	fields   []string // or it does not send these, nor what is in them
	why      string
}

func aparts() []apart {
	return []apart{
		{examples: "RoleAssignments_", fields: []string{"/properties/canDelegate", "/value/*/properties/canDelegate"}, why: "withdrawn after the previews"},
		{examples: "Providers_", why: "types have no aliases, location mappings or profiles here", fields: []string{
			"/resourceTypes/*/aliases", "/resourceTypes/*/locationMappings", "/resourceTypes/*/apiProfiles",
			"/value/*/resourceTypes/*/aliases", "/value/*/resourceTypes/*/locationMappings",
		}},
		{examples: "Subscriptions_", why: "the subscription of the test has no tags, and no subscription has managing tenants", fields: []string{
			"/tags", "/managedByTenants/*/tenantId", "/value/*/tags", "/value/*/managedByTenants/*/tenantId",
		}},
		{examples: "Tenants_", why: "tenants have no logo", fields: []string{"/value/*/tenantBrandingLogoUrl"}},
	}
}

func apartOf(e oracle.Example) (status int, fields []string) {
	for _, row := range aparts() {
		if regexp.MustCompile(row.examples).MatchString(e.Version + " " + e.ID) {
			status, fields = cmp.Or(status, row.status), append(fields, row.fields...)
		}
	}
	return status, fields
}

type examples struct {
	*stack
	group string // of its own for each example
}

func (x *examples) play(t *testing.T, e oracle.Example) {
	x.group = "rg-" + uuid.NewString()
	target, body, err := e.Request(x.values(e))
	must(t, err)
	x.prepare(t, e.Method, target, string(body))
	w := x.do(t, "owner", e.Method, target, x.body(t, string(body)))
	status, fields := apartOf(e)
	response, listed := e.Responses[strconv.Itoa(w.Code)]
	switch {
	case status != 0 && w.Code != status:
		t.Errorf("%s %s: %d %s, not %d as is known of it", e.Method, target, w.Code, w.Body, status)
	case status != 0:
	case !listed:
		t.Errorf("%s %s: %d %s, which the example does not have", e.Method, target, w.Code, w.Body)
	case response.Body == nil && w.Body.Len() > 0:
		t.Errorf("%s %s: the example has no body: %s", e.Method, target, w.Body)
	case response.Body != nil:
		x.compare(t, e, response.Body, parseJSON(t, w.Body.Bytes()), fields)
	}
}

func (x *examples) compare(t *testing.T, e oracle.Example, example, answer any, known []string) {
	t.Helper()
	if sent := missing(known, missing(known, fieldsOf(answer))); len(sent) > 0 {
		t.Errorf("%s: aparts() need no longer name %q", e.ID, sent)
	}
	free := append(known, freeFields()...)
	want, got := without(fieldsOf(example), free...), without(fieldsOf(answer), free...)
	if lacks := missing(want, got); len(lacks) > 0 {
		t.Errorf("%s: fields of the example are missing: %q: %s", e.ID, lacks, quoted(answer))
	}
	if strings.HasPrefix(e.ID, "UserAssignedIdentities_") { // the examples are those of the versions before the field
		want = append(want, "/properties/isolationScope", "/value/*/properties/isolationScope")
	}
	if more := missing(got, want); len(more) > 0 && e.Provider == "Microsoft.ManagedIdentity" {
		t.Errorf("%s: the example does not have the fields %q", e.ID, more)
	}
}

// freeFields are there or not as it happens: a link where there is a next page, claims as the
// caller's token has them.
func freeFields() []string {
	return []string{"/nextLink", "/value/*/claims", "/value/*/properties/statusCode", "/value/*/authorization/role"}
}

// values replaces what stands in the examples for ids of the reader's own.
func (x *examples) values(e oracle.Example) map[string]string {
	assignment := uuid.NewString()
	set := map[string]string{
		"subscriptionId": sub, "resourceGroupName": x.group, "scope": x.scope(e.Value("scope")),
		"roleAssignmentName": assignment, "roleDefinitionId": readerRole,
		"roleAssignmentId":          x.scope("") + "/providers/Microsoft.Authorization/roleAssignments/" + assignment,
		"roleId":                    x.scope("") + "/providers/Microsoft.Authorization/roleAssignments/" + assignment,
		"resourceProviderNamespace": "Microsoft.ManagedIdentity", "parentResourcePath": "", "resourceType": "userAssignedIdentities",
	}
	if strings.HasPrefix(e.ID, "RoleDefinitions_GetById") {
		set["roleId"] = "providers/Microsoft.Authorization/roleDefinitions/" + readerRole
		if e.Path == "/{roleDefinitionId}" {
			set["roleDefinitionId"] = set["roleId"]
		}
	}
	if strings.HasPrefix(e.ID, "SystemAssignedIdentities_") {
		set["scope"] = "subscriptions/" + sub + "/resourceGroups/" + x.group + "/providers/Microsoft.Compute/virtualMachines/vm"
	}
	if strings.HasPrefix(e.ID, "ActivityLogs_") {
		set["$filter"] = "eventTimestamp ge '" + x.now().Add(-time.Hour).UTC().Format(time.RFC3339) + "'"
	}
	return set
}

// scope keeps the form of a scope: a subscription, a group or a resource.
func (x *examples) scope(example string) string {
	own := "subscriptions/" + sub
	if !strings.HasPrefix(example, "subscriptions/") || strings.Contains(example, "/resourceGroups/") {
		own += "/resourceGroups/" + x.group
	}
	if strings.Contains(example, "/providers/") {
		own += "/providers/" + uai + "/" + path.Base(example)
	}
	return own
}

// body gives a role assignment a role that there is, and a principal: one that the directory knows,
// unless the type of the principal is given.
func (x *examples) body(t *testing.T, body string) string {
	principal := uuid.NewString()
	if !strings.Contains(body, `"principalType"`) {
		x.addCaller(t, principal)
		principal = x.callers[principal].ID
	}
	body = regexp.MustCompile(`"principalId":"[^"]*"`).ReplaceAllString(body, `"principalId":"`+principal+`"`)
	return regexp.MustCompile(`roleDefinitions/[^"]*`).ReplaceAllString(body, "roleDefinitions/"+readerRole)
}

var (
	atIdentity   = regexp.MustCompile(`/userAssignedIdentities(?:/([^/?]+))?`)
	atCredential = regexp.MustCompile(`/federatedIdentityCredentials(?:/([^/?]+))?`)
	atAssignment = regexp.MustCompile(`^(.*/providers/Microsoft.Authorization/roleAssignments)(?:/([^/?]+))?`)
)

// prepare makes what a request takes for granted: all that its path names, but for what it makes
// itself, and something to be in the lists that it reads.
func (x *examples) prepare(t *testing.T, method, target, body string) {
	t.Helper()
	location := "eastus"
	if m := regexp.MustCompile(`"location":"([^"]*)"`).FindStringSubmatch(body); m != nil {
		location = m[1]
	}
	path := strings.Split(target, "?")[0]
	if method != "PUT" || !strings.HasSuffix(path, "/"+x.group) {
		x.put(t, "{sub}/resourceGroups/"+x.group+core, `{"location":"eastus"}`)
	}
	made := func(at *regexp.Regexp) (name string, wanted bool) {
		m := at.FindStringSubmatch(path)
		if m == nil || method == "PUT" && strings.HasSuffix(path, m[0]) {
			return "", false
		}
		return cmp.Or(m[len(m)-1], readerRole), true
	}
	identity, wanted := made(atIdentity)
	if wanted {
		identity = "{sub}/resourceGroups/" + x.group + "/providers/" + uai + "/" + identity
		x.put(t, identity+someVersion, `{"location":"`+location+`","tags":{"key1":"value1","key2":"value2"}}`)
	}
	x.prepareMachines(t, path, identity)
	if credential, wanted := made(atCredential); wanted {
		x.put(t, identity+"/"+fic+"/"+credential+someVersion, `{"properties":{"issuer":"https://issuer.test","subject":"s","audiences":["a"]}}`)
	}
	if assignment, wanted := made(atAssignment); wanted {
		if assignment == readerRole {
			assignment = uuid.NewString() // of a list; it may have been listed before
		}
		body := `{"properties":{"roleDefinitionId":"/providers/Microsoft.Authorization/roleDefinitions/x","principalId":"x"}}`
		x.put(t, atAssignment.FindStringSubmatch(path)[1]+"/"+assignment+"?api-version=2022-04-01", x.body(t, body))
	}
}

// prepareMachines makes the machine that a scope names, and some that use an identity.
func (x *examples) prepareMachines(t *testing.T, path, identity string) {
	t.Helper()
	machines := "{sub}/resourceGroups/" + x.group + "/providers/Microsoft.Compute/virtualMachines/"
	if strings.Contains(path, "/virtualMachines/vm/") {
		x.put(t, machines+"vm"+compute24, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`)
	}
	if strings.HasSuffix(path, "/listAssociatedResources") {
		identity = strings.ReplaceAll(identity, "{sub}", "/subscriptions/"+sub)
		for _, name := range []string{"test1", "test2", "other"} {
			x.put(t, machines+name+compute24, `{"location":"eastus","identity":{"type":"UserAssigned","userAssignedIdentities":{"`+identity+`":{}}}}`)
		}
	}
}

func (x *examples) put(t *testing.T, path, body string) {
	t.Helper()
	if w := x.do(t, "owner", "PUT", path, body); w.Code > 201 {
		t.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
	}
}
