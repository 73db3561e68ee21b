package management_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// machineReply is a recorded answer with a virtual machine, as far as it concerns the identity.
type machineReply struct {
	Name, ID, Type, Location, Etag string
	Identity                       *struct{ Type, PrincipalID, TenantID string }
	Properties                     struct{ ProvisioningState, VMID string }
}

// TestAzureCLIMachineIdentityCommands is what "az vm identity assign" and "az vm identity remove"
// asked and got in 2024, on the machine vm3; the two that were made with an identity are read, too.
func TestAzureCLIMachineIdentityCommands(t *testing.T) {
	all := cassette(t, "test_vm_msi.yaml")
	r := newReplay(t)
	group := "/subscriptions/" + recordedSub + "/resourceGroups/cli_test_vm_msi000001"
	machines := group + "/providers/Microsoft.Compute/virtualMachines/"
	r.want(t, 201, "owner", "PUT", r.text(group)+core, `{"location":"westus"}`)
	r.want(t, 201, "owner", "PUT", r.text(machines)+"vm1"+compute24, `{"location":"westus","tags":{},"identity":{"type":"SystemAssigned"}}`)
	r.want(t, 201, "owner", "PUT", r.text(machines)+"vm2"+compute24, `{"location":"westus","tags":{},"identity":{"type":"SystemAssigned"}}`)
	// Azure's own deployment changed the machine once after making it.
	r.want(t, 201, "owner", "PUT", r.text(machines)+"vm3"+compute24, `{"location":"westus","tags":{}}`)
	r.want(t, 200, "owner", "PATCH", r.text(machines)+"vm3"+compute24, `{"tags":{}}`)
	operations, replayed, principal := map[string]string{}, 0, ""
	for _, i := range all {
		isOperation := strings.Contains(i.Request.URI, "/providers/Microsoft.Compute/locations/westus/operations/")
		isMachine := regexp.MustCompile(`/virtualMachines/vm\d\?`).MatchString(i.Request.URI)
		isAssignment := strings.Contains(i.Request.URI, "/virtualMachines/vm3/providers/Microsoft.Authorization/roleAssignments/")
		if !isOperation && !isMachine && !isAssignment {
			continue
		}
		replayed++
		name := operationName(i.Request.URI)
		if isOperation {
			r.followed(t, i, operations[name])
			continue
		}
		for recorded, own := range map[string]string{"a802fa61-cb98-4378-9a05-94df6fd12e82": principal} {
			i.Request.Body = strings.ReplaceAll(i.Request.Body, recorded, own)
		}
		w := r.send(t, i)
		if w.Code != i.Response.Status.Code {
			t.Fatalf("%s %s: %d %s, Azure: %d", i.Request.Method, i.Request.URI, w.Code, w.Body, i.Response.Status.Code)
		}
		if isAssignment {
			continue
		}
		for _, header := range []string{"Azure-AsyncOperation", "Azure-AsyncNotification"} {
			recorded, own := strings.Join(i.Response.Headers[strings.ToLower(header)], ""), w.Header().Get(header)
			if (recorded == "") != (own == "") {
				t.Errorf("%s is %q, Azure's %q", header, own, recorded)
			}
			if recorded != "" && strings.HasSuffix(header, "Operation") {
				operations[operationName(recorded)] = own
			}
		}
		r.sameMachine(t, i, w.Body.Bytes(), &principal)
	}
	if replayed < 15 {
		t.Errorf("only %d interactions were replayed", replayed)
	}
}

func operationName(uri string) string {
	m := regexp.MustCompile(`/operations/([^?]+)`).FindStringSubmatch(uri)
	if m == nil {
		return ""
	}
	return m[1]
}

// sameMachine compares what an answer says of a machine's identity. Ids are others, and there where
// Azure's are.
func (r *replay) sameMachine(t *testing.T, i interaction, body []byte, principal *string) {
	t.Helper()
	var want, got machineReply
	must(t, json.Unmarshal([]byte(i.Response.Body.String), &want))
	must(t, json.Unmarshal(body, &got))
	if got.Name != want.Name || got.ID != r.text(want.ID) || got.Type != want.Type || got.Location != want.Location ||
		got.Properties.ProvisioningState != want.Properties.ProvisioningState || (got.Properties.VMID == "") != (want.Properties.VMID == "") {
		t.Errorf("%s %s: %s, Azure: %s", i.Request.Method, i.Request.URI, quoted(got), quoted(want))
	}
	if strings.Contains(i.Request.URI, "/vm3?api") && got.Etag != want.Etag {
		t.Errorf("%s %s: etag %s, Azure's %s", i.Request.Method, i.Request.URI, got.Etag, want.Etag)
	}
	if (got.Identity == nil) != (want.Identity == nil) {
		t.Fatalf("%s %s: %s, Azure: %s", i.Request.Method, i.Request.URI, quoted(got), quoted(want))
	}
	if got.Identity != nil {
		if got.Identity.Type != want.Identity.Type || got.Identity.TenantID != r.text(want.Identity.TenantID) || !guid.MatchString(got.Identity.PrincipalID) {
			t.Errorf("%s %s: %s, Azure: %s", i.Request.Method, i.Request.URI, quoted(got.Identity), quoted(want.Identity))
		}
		*principal = got.Identity.PrincipalID
	}
}

// followed asks for an operation. Azure's were in progress at first; these have always ended.
func (r *replay) followed(t *testing.T, i interaction, own string) {
	t.Helper()
	var want, got map[string]any
	must(t, json.Unmarshal([]byte(i.Response.Body.String), &want))
	decode(t, r.want(t, 200, "owner", "GET", strings.TrimPrefix(own, origin), ""), &got)
	if want["status"] == "InProgress" {
		return
	}
	if got["status"] != want["status"] || len(fieldsOf(got)) != len(fieldsOf(want)) {
		t.Errorf("the operation is %s, Azure's %s", quoted(got), quoted(want))
	}
	for _, name := range []string{"startTime", "endTime"} {
		text, _ := got[name].(string)
		if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00$`).MatchString(text) {
			t.Errorf("%s is %q, Azure's %q", name, text, want[name])
		}
	}
}
