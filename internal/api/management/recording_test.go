package management_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"midas/internal/oracle"
	"midas/internal/rbac"
)

// The subscription and the tenant of the recordings of Azure CLI.
const (
	recordedSub    = "00000000-0000-0000-0000-000000000000"
	recordedTenant = "54826b22-38d6-4fb2-bad9-b7b93a3e9c5a"
)

// interaction is an exchange with the real Azure.
type interaction struct {
	Request struct {
		Method, URI string
		Body        string
	}
	Response struct {
		Status  struct{ Code int }
		Headers map[string][]string
		Body    struct{ String string }
	}
}

// recordings is the folder of the recordings; without it the test is skipped.
func recordings(t *testing.T) string {
	t.Helper()
	dir, present := oracle.Folder()
	if !present {
		t.Skip("../shared/azure is not there")
	}
	return filepath.Join(dir, "recordings")
}

// cassette reads the exchanges with Azure Resource Manager in a recording.
func cassette(t *testing.T, name string) []interaction {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(recordings(t), "azure-cli", name))
	must(t, err)
	var in struct{ Interactions []interaction }
	must(t, yaml.Unmarshal(raw, &in))
	return slices.DeleteFunc(in.Interactions, func(i interaction) bool {
		return !strings.HasPrefix(i.Request.URI, "https://management.azure.com/")
	})
}

// replay sends recorded requests to a stack of our own.
type replay struct {
	*stack
	translator
	given map[string]bool // what there is already, by folded path
}

func newReplay(t *testing.T) *replay {
	t.Helper()
	return &replay{stack: newStack(t), given: map[string]bool{}, translator: translator{texts: map[string]string{
		recordedSub: sub, recordedTenant: tenant, "https://management.azure.com": origin,
	}}}
}

func (r *replay) send(t *testing.T, i interaction) *httptest.ResponseRecorder {
	t.Helper()
	return r.do(t, "owner", i.Request.Method, strings.TrimPrefix(r.text(i.Request.URI), origin), r.text(i.Request.Body))
}

// compare wants the recorded status, the headers that clients act on, and the recorded body.
func (r *replay) compare(t *testing.T, i interaction, w *httptest.ResponseRecorder, display ...string) {
	t.Helper()
	if w.Code != i.Response.Status.Code {
		t.Fatalf("%d %s, Azure: %d", w.Code, w.Body, i.Response.Status.Code)
	}
	names := []string{"location", "content-type", "cache-control", "pragma", "expires", "strict-transport-security", "x-content-type-options"}
	if i.Response.Body.String == "" {
		names = append(names, "content-length")
	}
	for _, name := range names {
		want, got := i.Response.Headers[name], w.Header().Values(name)
		for n := range want {
			want[n] = strings.TrimSuffix(r.text(want[n]), "; includeSubDomains") // which is for Azure's names, not for anybody's
		}
		if !slices.Equal(want, got) {
			t.Errorf("the header %s is %q, Azure's %q", name, got, want)
		}
	}
	if i.Response.Body.String == "" {
		if w.Body.Len() > 0 {
			t.Errorf("Azure sends no body: %s", w.Body)
		}
		return
	}
	for _, d := range r.differences("", parseJSON(t, []byte(i.Response.Body.String)), parseJSON(t, w.Body.Bytes()), display...) {
		t.Error(d)
	}
}

// TestAzureCLIIdentityCommands is "az identity" with list-operations, create, list-resources, list
// and delete, as Azure answered it in 2023.
func TestAzureCLIIdentityCommands(t *testing.T) {
	all := cassette(t, "test_identity_management.yaml")
	r := newReplay(t)
	var group struct {
		Location string            `json:"location"`
		Tags     map[string]string `json:"tags"`
	}
	must(t, json.Unmarshal([]byte(all[1].Response.Body.String), &group))
	body, err := json.Marshal(group)
	must(t, err)
	r.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/cli_test_identity_mgmt_000001?api-version=2022-09-01", string(body))
	for _, i := range all {
		t.Run(i.Request.Method+" "+i.Request.URI, func(t *testing.T) {
			r.compare(t, i, r.send(t, i), "/value/*/display/description", "/value/*/display/operation", "/value/*/display/resource")
		})
	}
	if len(all) != 6 {
		t.Errorf("%d interactions were replayed, not 6", len(all))
	}
}

// TestAzureCLIRoleAssignmentCommands is "az role assignment create" and "az role assignment
// list-changelogs", as far as they speak to Azure Resource Manager.
func TestAzureCLIRoleAssignmentCommands(t *testing.T) {
	all := cassette(t, "test_role_assignment_audits.yaml")
	r := newReplay(t)
	r.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/cli_role_audit000001?api-version=2022-09-01", `{"location":"westus"}`)
	replayed := 0
	for _, i := range all {
		isList := strings.HasSuffix(strings.Split(i.Request.URI, "?")[0], "/providers/Microsoft.Authorization/roleDefinitions")
		switch {
		case strings.Contains(i.Request.URI, "$filter=roleName"), i.Request.Method == "PUT":
			r.compare(t, i, r.send(t, i), "/value/*/properties/description")
		case isList:
			r.compareRoles(t, i)
		case strings.Contains(i.Response.Body.String, "88888888-0000-0000-0000-000000000001"):
			r.compareEvents(t, i)
		default: // the log before the assignment had reached it; here it is there at once
			continue
		}
		replayed++
	}
	if replayed != 5 {
		t.Errorf("%d interactions were replayed, not 5", replayed)
	}
}

// compareRoles wants each role that Midas has as Azure describes it. Azure has more, and its roles
// get new actions from time to time.
func (r *replay) compareRoles(t *testing.T, i interaction) {
	t.Helper()
	var want, got struct{ Value []map[string]any }
	must(t, json.Unmarshal([]byte(i.Response.Body.String), &want))
	decode(t, r.send(t, i), &got)
	if len(got.Value) != len(rbac.Definitions()) {
		t.Errorf("%d roles are listed, not %d", len(got.Value), len(rbac.Definitions()))
	}
	for _, role := range got.Value {
		if made, _ := role["properties"].(map[string]any)["createdOn"].(string); made > "2023-08-23" {
			continue // after the recording
		}
		at := slices.IndexFunc(want.Value, func(v map[string]any) bool { return v["name"] == role["name"] })
		if at < 0 {
			t.Errorf("Azure has no role %v", role)
			continue
		}
		var named [2]struct {
			ID, Type, Name string
			Properties     struct {
				RoleName, Type   string
				AssignableScopes []string
			}
		}
		must(t, json.Unmarshal([]byte(r.text(strings.Replace(quoted(want.Value[at]), " (Preview)", "", 1))), &named[0]))
		must(t, json.Unmarshal([]byte(quoted(role)), &named[1]))
		if diff := cmp.Diff(named[0], named[1]); diff != "" {
			t.Errorf("a role (-Azure +Midas)\n%s", diff)
		}
		if diff := cmp.Diff(fieldsOf(want.Value[at]), fieldsOf(role)); diff != "" {
			t.Errorf("%s (-Azure +Midas)\n%s", named[1].Properties.RoleName, diff)
		}
	}
}

// compareEvents wants the assignment in the log, as Azure shows it. Claims are those of the token,
// and Azure logs the beginning of a request, too.
func (r *replay) compareEvents(t *testing.T, i interaction) {
	t.Helper()
	const written = "88888888-0000-0000-0000-000000000001/events/"
	var want, got struct{ Value []map[string]any }
	must(t, json.Unmarshal([]byte(i.Response.Body.String), &want))
	since := r.now().Add(-time.Minute).UTC()
	filter := "resourceProvider eq Microsoft.Authorization and eventTimestamp ge " + since.Format(time.RFC3339) +
		" and eventTimestamp le " + since.Add(2*time.Minute).Format(time.RFC3339)
	decode(t, r.want(t, 200, "owner", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+url.QueryEscape(filter), ""), &got)
	find := func(list []map[string]any) map[string]any {
		at := slices.IndexFunc(list, func(e map[string]any) bool {
			id, _ := e["id"].(string)
			return strings.Contains(id, written) && cmp.Equal(e["status"], map[string]any{"value": "Succeeded", "localizedValue": "Succeeded"})
		})
		if at < 0 {
			t.Fatalf("the assignment is not among the events: %s", quoted(list))
		}
		delete(list[at], "claims")
		delete(list[at]["properties"].(map[string]any), "serviceRequestId") // null, of Azure's inside
		return list[at]
	}
	// The log keeps the address of a request without its query.
	for _, d := range r.differences("", any(find(want.Value)), any(find(got.Value)), "/httpRequest/uri",
		"/caller", "/id", "/operationName/localizedValue", "/httpRequest/clientRequestId", "/httpRequest/clientIpAddress", "/properties/hierarchy") {
		t.Error(d)
	}
}
