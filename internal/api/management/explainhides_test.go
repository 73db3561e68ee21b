package management_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"midas/internal/directory"
	"midas/internal/store"
)

const readMachines = "Microsoft.Compute/virtualMachines/read"

// Who may read assignments in one group learns nothing of a principal's assignments in others.
func TestExplainHidesAssignmentsThatTheAskerMayNotRead(t *testing.T) {
	s := newStack(t)
	for _, rg := range []string{"mine", "other"} {
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+rg+"?api-version=2021-04-01", `{"location":"eastus"}`)
	}
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/mine")
	s.assign(t, "mioperator", "Reader", "/subscriptions/"+sub+"/resourceGroups/other")
	about := s.callers["mioperator"].ID
	w := s.want(t, 200, "nobody", "POST", "{sub}/resourceGroups/mine"+explainPath, `{"principalId":"`+about+`","action":"`+readMachines+`"}`)
	if strings.Contains(w.Body.String(), "other") || strings.Contains(w.Body.String(), `"more":true`) {
		t.Errorf("%s", w.Body)
	}
	for _, asker := range []string{"owner", "mioperator"} {
		if x := s.explain(t, asker, "{sub}/resourceGroups/mine", about, readMachines); len(x.NearMisses) != 1 || !strings.HasSuffix(x.NearMisses[0].Scope, "/other") {
			t.Errorf("%s sees %+v", asker, x)
		}
	}
}

// An application that may not read the directory gets the same answer about a principal without assignments, about one
// that is disabled, and about one that does not exist.
func TestExplainTellsNoApplicationWhoExists(t *testing.T) {
	s := newStack(t)
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		sp, err := s.directory.ServicePrincipal(tx, tenant, s.callers["mioperator"].ID)
		sp.Enabled = false
		return errors.Join(err, s.directory.UpdateServicePrincipal(tx, sp))
	})
	must(t, err)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	answers := map[string]bool{}
	group := directory.Group{TenantID: tenant, ID: uuid.NewString(), DisplayName: "g"}
	_, err = s.store.Update(t.Context(), func(tx store.Tx) error { return s.directory.CreateGroup(tx, group) })
	must(t, err)
	for _, id := range []string{s.callers["nobody"].ID, group.ID, uuid.NewString()} {
		w := s.want(t, 200, "reader", "POST", "{sub}/resourceGroups/rg"+explainPath, `{"principalId":"`+id+`","action":"`+readMachines+`"}`)
		answers[strings.ReplaceAll(w.Body.String(), id, "ID")] = true
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
	x := s.explain(t, "reader", "{sub}", s.callers["mioperator"].ID, "Microsoft.Compute/virtualMachines/write")
	if x.Principal.State != "" || strings.Contains(strings.Join(x.Reasons, " "), "disabled") {
		t.Errorf("%+v", x)
	}
}

// Each answer says what the asker may have meant.
func TestExplainGivesHints(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg")
	const blobs = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"
	for _, test := range []struct {
		caller, scope, action, want string
	}{
		{"owner", "{sub}", "Microsoft.Compute/virtualMachines/wirte", "Did you mean Microsoft.Compute/virtualMachines/write?"},
		{"owner", "{sub}", "microsoft.compute/virtualMachine/read", "Did you mean Microsoft.Compute/virtualMachines/read?"},
		{"owner", "{sub}", "Microsoft.ManagedIdentity/userAssignedIdentity/read", "Did you mean Microsoft.ManagedIdentity/userAssignedIdentities/read?"},
		{"owner", "{sub}", blobs, "is a data action"},
		{"owner", "{sub}", readMachines, ""},
		{"owner", "{sub}", "Contoso.Apps/things/read", ""},
		{"owner", "{sub}", strings.Repeat("a/", 4000) + "a", ""},
		{"owner", "{sub}/resourceGroups/lost", readMachines, "The resource group lost does not exist."},
		{"nobody", "{sub}/resourceGroups/lost", readMachines, ""},
		{"nobody", "{sub}", "Microsoft.ManagedIdentity/userAssignedIdentities/read", "A list at this scope is not refused"},
		{"nobody", "{sub}", "Microsoft.ManagedIdentity/userAssignedIdentities/write", ""},
	} {
		x := s.explain(t, test.caller, test.scope, "", test.action)
		hints := strings.Join(x.Reasons, "\n")
		if test.want != "" && !strings.Contains(hints, test.want) {
			t.Errorf("%s %s: %q, want %q", test.caller, test.action, hints, test.want)
		}
		for _, hint := range []string{"Did you mean", "is a data action", "does not exist", "A list at"} {
			if test.want == "" && strings.Contains(hints, hint) {
				t.Errorf("%s %s: %q", test.caller, test.action, hints)
			}
		}
	}
}

// A deny assignment with the effect Audit denies nothing, and the answer says that it would.
func TestExplainMentionsAuditingDenyAssignments(t *testing.T) {
	s := newStack(t)
	s.want(t, 0, "owner", "PUT", "{sub}/providers/Microsoft.Authorization/denyAssignments/"+uuid.NewString()+"?api-version=2024-07-01-preview",
		`{"properties":{"denyAssignmentName":"watch","denyAssignmentEffect":"Audit","permissions":[{"actions":["Microsoft.Compute/*"]}],"principals":[{"id":"`+s.callers["contributor"].ID+`","type":"ServicePrincipal"}]}}`)
	x := s.explain(t, "contributor", "{sub}", "", "Microsoft.Compute/virtualMachines/write")
	if x.Verdict != "allowed" || !strings.Contains(strings.Join(x.Reasons, " "), "'watch'") || !strings.Contains(strings.Join(x.Reasons, " "), "Audit") {
		t.Errorf("%+v", x)
	}
}
