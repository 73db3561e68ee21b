package management_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/google/uuid"

	"midas/internal/directory"
	"midas/internal/store"
)

// explainedAnswer is what the tests read of an explanation.
type explainedAnswer struct {
	Verdict, Effect, Scope string
	Reasons                []string
	Principal              struct{ ID, Type, DisplayName, State string }
	RoleAssignments        []explainedAssignment
	NearMisses             []explainedAssignment
	DenyAssignment         struct{ ID string }
	Locks                  []struct{ ID, Level string }
	Suggestion             struct{ RoleDefinitionID, RoleName, Scope, Note string }
}

type explainedAssignment struct {
	ID, Scope, RoleName, PrincipalID, Outcome, MatchedAction, MatchedNotAction string
	Via                                                                        []struct{ ID, DisplayName string }
	Condition                                                                  struct{ Text, Result string }
}

const explainPath = "/providers/Midas.Authorization/explain?api-version=2026-11-01"

// explain asks as a caller about a principal, whose object id may be left out.
func (s *stack) explain(t testing.TB, caller, scope, principal, action string) explainedAnswer {
	t.Helper()
	w := s.want(t, 200, caller, "POST", scope+explainPath, `{"principalId":"`+principal+`","action":"`+action+`"}`)
	var x explainedAnswer
	must(t, json.Unmarshal(w.Body.Bytes(), &x))
	return x
}

func TestExplainNamesTheAssignmentThatAllows(t *testing.T) {
	s := newStack(t)
	x := s.explain(t, "reader", "{sub}/resourceGroups/rg", "", "Microsoft.Compute/virtualMachines/read")
	if x.Verdict != "allowed" || x.Effect != "Allowed" || len(x.RoleAssignments) != 1 {
		t.Fatalf("%+v", x)
	}
	a := x.RoleAssignments[0]
	if a.RoleName != "Reader" || a.Outcome != "Allows" || a.MatchedAction != "*/read" || a.Scope != "/subscriptions/"+sub || len(a.Via) != 0 {
		t.Errorf("%+v", a)
	}
	if !strings.Contains(x.Reasons[0], "Reader") || x.Suggestion.RoleName != "" {
		t.Errorf("%+v", x)
	}
}

func TestExplainNamesTheNotActionThatExcludes(t *testing.T) {
	s := newStack(t)
	x := s.explain(t, "contributor", "{sub}", "", "Microsoft.Authorization/roleAssignments/write")
	if x.Verdict != "denied" || len(x.RoleAssignments) != 1 {
		t.Fatalf("%+v", x)
	}
	a := x.RoleAssignments[0]
	if a.Outcome != "ExcludedByNotAction" || a.MatchedAction != "*" || a.MatchedNotAction != "Microsoft.Authorization/*/Write" {
		t.Errorf("%+v", a)
	}
	if x.Suggestion.RoleName != "Role Based Access Control Administrator" || x.Suggestion.Scope != "/subscriptions/"+sub {
		t.Errorf("the suggestion is %+v", x.Suggestion)
	}
}

// An assignment that would allow the action elsewhere is no reason, but it is what people look for.
func TestExplainShowsNearMisses(t *testing.T) {
	s := newStack(t)
	for _, rg := range []string{"rg1", "rg10"} {
		s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/"+rg+"?api-version=2021-04-01", `{"location":"eastus"}`)
	}
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg1")
	x := s.explain(t, "nobody", "{sub}/resourceGroups/rg10", "", "Microsoft.Compute/virtualMachines/read")
	if x.Verdict != "denied" || len(x.RoleAssignments) != 0 || len(x.NearMisses) != 1 || x.NearMisses[0].Outcome != "ScopeDoesNotReach" {
		t.Errorf("%+v", x)
	}
}

// The path to an assignment through nested groups is shown in full to those who may read the directory.
func TestExplainShowsThePathOfNestedGroups(t *testing.T) {
	s := newStack(t)
	var groups []string
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		groups = nil
		member := s.callers["nobody"].ID
		for _, name := range []string{"team", "department", "company"} {
			g := directory.Group{TenantID: tenant, ID: uuid.NewString(), DisplayName: name}
			if err := errors.Join(s.directory.CreateGroup(tx, g), s.directory.AddMember(tx, tenant, g.ID, member)); err != nil {
				return err
			}
			groups, member = append(groups, g.ID), g.ID
		}
		return nil
	})
	must(t, err)
	s.callers["company"] = directory.ServicePrincipal{ID: groups[2]}
	s.assign(t, "company", "Reader", "/subscriptions/"+sub)
	const action = "Microsoft.Compute/virtualMachines/read"
	x := s.explain(t, "nobody", "{sub}", "", action)
	if x.Verdict != "allowed" || len(x.RoleAssignments) != 1 || len(x.RoleAssignments[0].Via) != 3 {
		t.Fatalf("%+v", x)
	}
	for i, name := range []string{"team", "department", "company"} {
		if via := x.RoleAssignments[0].Via[i]; via.DisplayName != name || via.ID != groups[i] {
			t.Errorf("step %d is %+v, want %s", i, via, name)
		}
	}
	// An application without a right in the directory sees the group that has the assignment, and no other.
	x = s.explain(t, "reader", "{sub}", s.callers["nobody"].ID, action)
	if via := x.RoleAssignments[0].Via; x.Verdict != "allowed" || len(via) != 1 || via[0].ID != groups[2] || via[0].DisplayName != "" || x.Principal.DisplayName != "" {
		t.Errorf("an application without rights in the directory sees %+v", x)
	}
}

func TestExplainKnowsAbsentAndDisabledPrincipals(t *testing.T) {
	s := newStack(t)
	const action = "Microsoft.Compute/virtualMachines/read"
	x := s.explain(t, "owner", "{sub}", uuid.NewString(), action)
	if x.Verdict != "denied" || x.Principal.State != "Absent" || !strings.Contains(x.Reasons[0], "does not exist") || x.Suggestion.RoleName != "" {
		t.Errorf("%+v", x)
	}
	_, err := s.store.Update(t.Context(), func(tx store.Tx) error {
		sp, err := s.directory.ServicePrincipal(tx, tenant, s.callers["reader"].ID)
		sp.Enabled = false
		return errors.Join(err, s.directory.UpdateServicePrincipal(tx, sp))
	})
	must(t, err)
	x = s.explain(t, "owner", "{sub}", s.callers["reader"].ID, action)
	if x.Verdict != "denied" || x.Effect != "Allowed" || x.Principal.State != "Disabled" {
		t.Errorf("%+v", x)
	}
}

// About oneself everyone may ask; about others who may read assignments and roles at the scope.
func TestWhoMayAskForAnExplanation(t *testing.T) {
	s := newStack(t)
	about := func(principal string) string {
		return `{"principalId":"` + principal + `","action":"Microsoft.Compute/virtualMachines/read"}`
	}
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	s.assign(t, "nobody", "Reader", "/subscriptions/"+sub+"/resourceGroups/rg")
	owner := s.callers["owner"].ID
	for _, test := range []struct {
		caller, scope, body string
		want                int
	}{
		{"nobody", "{sub}", about(s.callers["nobody"].ID), 200},
		{"nobody", "{sub}", about(strings.ToUpper(s.callers["nobody"].ID)), 200},
		{"nobody", "{sub}", `{"action":"Microsoft.Compute/virtualMachines/read"}`, 200},
		{"nobody", "{sub}", about(owner), 403},
		{"nobody", "{sub}/resourceGroups/rg", about(owner), 200},
		{"nobody", "{sub}/resourceGroups/rg/../rg2", about(owner), 400},
		{"nobody", "", about(owner), 403},
		{"nobody", "/subscriptions/" + otherSub, about(s.callers["nobody"].ID), 401},
		{"nobody", "/subscriptions/" + uuid.NewString(), about(s.callers["nobody"].ID), 404},
		{"vmcontributor", "{sub}", about(owner), 200}, // Microsoft.Authorization/*/read
		{"", "{sub}", about(owner), 401},
		{"owner", "{sub}", `{"principalId":"alice","action":"A.B/c/read"}`, 400},
		{"owner", "{sub}", `{"principalId":"` + owner + `"}`, 400},
		{"owner", "{sub}", `{"action":"*"}`, 400},
		{"owner", "{sub}", `{"action":"Microsoft.Compute/*/read"}`, 400},
		{"owner", "{sub}", `{"action":"Microsoft.Compute/virtualMachines/r\u00e9ad"}`, 400},
		{"owner", "{sub}", `{"action":"` + strings.Repeat("a/", 4000) + `a"}`, 200},
		{"owner", "{sub}", `[]`, 400},
	} {
		if w := s.do(t, test.caller, "POST", test.scope+explainPath, test.body); w.Code != test.want {
			t.Errorf("%s at %q: %d %s, want %d", test.caller, test.scope, w.Code, w.Body, test.want)
		}
	}
}

// A refusal says how to ask why. The caller's own token suffices to follow the link, by GET and by POST.
func TestRefusalsTellHowToAskWhy(t *testing.T) {
	s := newStack(t)
	const path = "{sub}/resourceGroups/rg%20%28a%29?api-version=2021-04-01"
	w := s.want(t, 403, "reader", "PUT", path, `{"location":"eastus"}`)
	var refusal struct {
		Error struct {
			Code, Message  string
			AdditionalInfo []struct {
				Type string
				Info struct{ Link, Command string }
			}
		}
	}
	must(t, json.Unmarshal(w.Body.Bytes(), &refusal))
	reader := s.callers["reader"]
	wantMessage := "The client '" + reader.AppID + "' with object id '" + reader.ID + "' does not have authorization to perform action " +
		"'Microsoft.Resources/subscriptions/resourceGroups/write' over scope '/subscriptions/" + sub + "/resourceGroups/rg (a)' or the scope is invalid. " +
		"If access was recently granted, please refresh your credentials."
	if refusal.Error.Code != "AuthorizationFailed" || refusal.Error.Message != wantMessage {
		t.Errorf("%s", w.Body)
	}
	if len(refusal.Error.AdditionalInfo) != 1 || refusal.Error.AdditionalInfo[0].Type != "MidasExplain" {
		t.Fatalf("%s", w.Body)
	}
	info := refusal.Error.AdditionalInfo[0].Info
	if want := "midas explain --principal " + reader.ID + " --action Microsoft.Resources/subscriptions/resourceGroups/write --scope '/subscriptions/" + sub + "/resourceGroups/rg (a)'"; info.Command != want {
		t.Errorf("the command is %s, want %s", info.Command, want)
	}
	link, err := url.Parse(info.Link)
	must(t, err)
	if !strings.HasPrefix(info.Link, origin+"/subscriptions/") {
		t.Errorf("the link is %s", info.Link)
	}
	for _, method := range []string{"GET", "POST"} {
		w = s.want(t, 200, "reader", method, link.RequestURI(), "")
		var x explainedAnswer
		must(t, json.Unmarshal(w.Body.Bytes(), &x))
		if x.Verdict != "denied" || x.Principal.ID != reader.ID || x.Scope != "/subscriptions/"+sub+"/resourceGroups/rg (a)" || x.RoleAssignments[0].Outcome != "ActionNotMatched" {
			t.Errorf("%s: %s", method, w.Body)
		}
	}
}

// The Azure SDK for Go reads the code of a refusal as before.
func TestSDKReadsRefusalsWithAdditionalInfo(t *testing.T) {
	s := newStack(t)
	server := httptest.NewServer(s)
	defer server.Close()
	pipeline := runtime.NewPipeline("test", "v1", runtime.PipelineOptions{}, nil)
	req, err := runtime.NewRequest(t.Context(), http.MethodPut, server.URL+"/subscriptions/"+sub+"/resourceGroups/rg?api-version=2021-04-01")
	must(t, err)
	req.Raw().Header.Set("Authorization", "Bearer "+s.token(t, "reader"))
	resp, err := pipeline.Do(req)
	must(t, err)
	var failed *azcore.ResponseError
	if err := runtime.NewResponseError(resp); !errors.As(err, &failed) || failed.ErrorCode != "AuthorizationFailed" || failed.StatusCode != 403 {
		t.Errorf("%v", err)
	}
}

// A condition is shown with the value of each term and of the attributes that the question has given.
func TestExplainEvaluatesConditions(t *testing.T) {
	s := newStack(t)
	const reader = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	text := "@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {" + reader + "}"
	body, err := json.Marshal(map[string]any{"properties": map[string]any{
		"roleDefinitionId": "/subscriptions/" + sub + "/providers/Microsoft.Authorization/roleDefinitions/f58310d9-a9f6-439a-9e8d-f62e7b41a168",
		"principalId":      s.callers["nobody"].ID, "condition": text, "conditionVersion": "2.0",
	}})
	must(t, err)
	s.want(t, 201, "owner", "PUT", "{sub}/providers/Microsoft.Authorization/roleAssignments/"+uuid.NewString()+"?api-version=2022-04-01", string(body))
	for given, want := range map[string][2]string{
		reader:                                 {"allowed", "true"},
		"8e3af657-a8ff-443c-a75c-2fe8c4bcb635": {"denied", "false"},
		"":                                     {"denied", "cannot be evaluated"},
	} {
		attributes := `{}`
		if given != "" {
			attributes = `{"request":{"microsoft.authorization/roleassignments:roledefinitionid":"` + given + `"}}`
		}
		w := s.want(t, 200, "nobody", "POST", "{sub}"+explainPath, `{"action":"Microsoft.Authorization/roleAssignments/write","attributes":`+attributes+`}`)
		var x struct {
			explainedAnswer
			RoleAssignments []struct {
				Outcome   string
				Condition struct {
					Text, Result string
					Parts        []struct {
						Result string
						Values []string
					}
				}
			}
		}
		must(t, json.Unmarshal(w.Body.Bytes(), &x))
		c := x.RoleAssignments[0].Condition
		if x.Verdict != want[0] || c.Result != want[1] || c.Text != text || len(c.Parts) != 1 || c.Parts[0].Result != want[1] || !strings.Contains(c.Parts[0].Values[0], given) {
			t.Errorf("%q: %s", given, w.Body)
		}
	}
	s.want(t, 400, "nobody", "POST", "{sub}"+explainPath, `{"action":"A.B/c/read","attributes":{"environment":{"x":1}}}`)
	s.want(t, 400, "nobody", "POST", "{sub}"+explainPath, `{"action":"A.B/c/read","attributes":{"request":{"x":{}}}}`)
}

// A cancelled subscription takes no writes, whatever roles the caller has.
func TestExplainKnowsCancelledSubscriptions(t *testing.T) {
	s := newStack(t)
	s.want(t, 200, "owner", "POST", "{sub}/providers/Microsoft.Subscription/cancel?api-version=2021-10-01&IgnoreResourceCheck=true", "")
	x := s.explain(t, "owner", "{sub}", "", "Microsoft.Resources/subscriptions/resourceGroups/write")
	if x.Verdict != "denied" || x.Effect != "Allowed" || !strings.Contains(x.Reasons[0], "cancelled") {
		t.Errorf("%+v", x)
	}
	if x := s.explain(t, "owner", "{sub}", "", "Microsoft.Resources/subscriptions/resourceGroups/read"); x.Verdict != "allowed" {
		t.Errorf("%+v", x)
	}
}

// A deny assignment is named, and no role is suggested as if it would help.
func TestExplainNamesTheDenyAssignment(t *testing.T) {
	s := newStack(t)
	name := uuid.NewString()
	s.want(t, 0, "owner", "PUT", "{sub}/providers/Microsoft.Authorization/denyAssignments/"+name+"?api-version=2024-07-01-preview",
		`{"properties":{"denyAssignmentName":"no machines","permissions":[{"actions":["Microsoft.Compute/*"]}],"principals":[{"id":"`+s.callers["contributor"].ID+`","type":"ServicePrincipal"}]}}`)
	const action = "Microsoft.Compute/virtualMachines/write"
	x := s.explain(t, "contributor", "{sub}/resourceGroups/rg", "", action)
	if x.Verdict != "denied" || x.Effect != "Denied" || !strings.HasSuffix(x.DenyAssignment.ID, "/denyAssignments/"+name) || !strings.Contains(x.Reasons[0], name) {
		t.Errorf("%+v", x)
	}
	if !strings.Contains(x.Suggestion.Note, name) {
		t.Errorf("the suggestion is %+v", x.Suggestion)
	}
	if x := s.explain(t, "owner", "{sub}/resourceGroups/rg", "", action); x.Verdict != "allowed" {
		t.Errorf("%+v", x)
	}
}
