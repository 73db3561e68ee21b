package management_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// loggedEvent has the fields of an event that Azure CLI reads for "az role assignment list-changelogs".
type loggedEvent struct {
	OperationID   string
	Status        struct{ Value string }
	OperationName struct{ Value string }
	HTTPRequest   struct{ Method, URI string }
	Authorization struct{ Scope string }
	Properties    map[string]string
}

// changes reads the events of role assignments as Azure CLI does: the beginning and the end of each operation.
func (s *stack) changes(t *testing.T, more string) (begun, ended map[string]loggedEvent) {
	t.Helper()
	filter := "resourceProvider eq Microsoft.Authorization and eventTimestamp ge " + s.now().Add(-time.Hour).UTC().Format(time.RFC3339) + more
	var list struct{ Value []loggedEvent }
	decode(t, s.want(t, 200, "owner", "GET", "{sub}/providers/Microsoft.Insights/eventtypes/management/values?api-version=2015-04-01&$filter="+url.QueryEscape(filter), ""), &list)
	begun, ended = map[string]loggedEvent{}, map[string]loggedEvent{}
	for _, e := range list.Value {
		if strings.HasPrefix(e.OperationName.Value, "Microsoft.Authorization/roleAssignments") && e.HTTPRequest.Method != "" {
			if e.Status.Value == "Started" {
				begun[e.OperationID] = e
			} else {
				ended[e.OperationID] = e
			}
		}
	}
	return begun, ended
}

func TestActivityLogSaysWhoWasGivenWhichRole(t *testing.T) {
	s := newStack(t)
	const scope = "{sub}/resourceGroups/rg"
	s.want(t, 201, "owner", "PUT", scope+core, `{"location":"eastus"}`)
	at := scope + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + authorization22
	s.want(t, 201, "owner", "PUT", at, s.assignmentBody(t, "Reader", "nobody"))
	s.want(t, 200, "owner", "DELETE", at, "")
	s.want(t, 204, "owner", "DELETE", at, "")
	begun, ended := s.changes(t, "")
	if len(begun) != 3 || len(ended) != 3 {
		t.Fatalf("%d operations have begun and %d have ended, not 3", len(begun), len(ended))
	}
	seen := map[string]int{}
	for operation, begin := range begun {
		end := ended[operation]
		text := begin.Properties["requestbody"]
		if begin.HTTPRequest.Method == "DELETE" {
			text = end.Properties["responseBody"]
		}
		if !strings.HasSuffix(begin.HTTPRequest.URI, authorization22) {
			t.Errorf("the address is %s", begin.HTTPRequest.URI)
		}
		if text == "" {
			seen["nothing"]++
			continue
		}
		var body struct {
			Properties struct{ PrincipalID, RoleDefinitionID, Scope string }
		}
		must(t, json.Unmarshal([]byte(text), &body))
		if p := body.Properties; p.PrincipalID != s.callers["nobody"].ID || !strings.HasSuffix(p.RoleDefinitionID, "/"+readerRole) {
			t.Errorf("%s: %s", begin.HTTPRequest.Method, text)
		}
		seen[begin.HTTPRequest.Method+" "+body.Properties.Scope]++
	}
	if want := "DELETE /subscriptions/" + sub + "/resourceGroups/rg"; len(seen) != 3 || seen["PUT "] != 1 || seen[want] != 1 || seen["nothing"] != 1 {
		t.Errorf("the log has %v", seen)
	}
	if begun, ended := s.changes(t, " and status eq 'Started'"); len(begun) != 3 || len(ended) != 0 {
		t.Errorf("%d begun and %d ended events are Started", len(begun), len(ended))
	}
}

// Azure names the role below the subscription in which an assignment above it is read.
func TestRoleOfAnAssignmentAboveSubscriptionsIsNamedWhereItIsRead(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	s.assign(t, "nobody", "Reader", "/")
	const list = "/providers/Microsoft.Authorization/roleAssignments" + authorization22 + "&$filter="
	for scope, want := range map[string]string{"{sub}": "/subscriptions/" + sub, "{sub}/resourceGroups/rg": "/subscriptions/" + sub} {
		var got struct {
			Value []struct {
				Properties struct{ Scope, RoleDefinitionID string }
			}
		}
		decode(t, s.want(t, 200, "owner", "GET", scope+list+url.QueryEscape("principalId eq '"+s.callers["nobody"].ID+"'"), ""), &got)
		if len(got.Value) != 1 || got.Value[0].Properties.Scope != "/" ||
			got.Value[0].Properties.RoleDefinitionID != want+"/providers/Microsoft.Authorization/roleDefinitions/"+readerRole {
			t.Errorf("%q: %+v", scope, got.Value)
		}
	}
}

func TestEmptyTagsAreShownWhereTheyWereGiven(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for path, version := range map[string]string{
		"Microsoft.Network/networkInterfaces/nic": compute24, "Microsoft.Compute/virtualMachines/vm": compute24,
	} {
		path = "{sub}/resourceGroups/rg/providers/" + path
		for _, c := range []struct{ method, body, want string }{
			{"PUT", `{"location":"eastus"}`, "null"}, {"PATCH", `{"tags":{}}`, "{}"}, {"PATCH", `{"properties":{}}`, "{}"},
			{"PATCH", `{"tags":{"a":"b"}}`, `{"a":"b"}`}, {"PUT", `{"location":"eastus","tags":{}}`, "{}"},
		} {
			s.want(t, 0, "owner", c.method, path+version, c.body)
			var got map[string]any
			decode(t, s.want(t, 200, "owner", "GET", path+version, ""), &got)
			if quoted(got["tags"]) != c.want {
				t.Errorf("%s %s %s: %s, want %s", c.method, path, c.body, quoted(got["tags"]), c.want)
			}
		}
	}
}

// Azure has many types of these providers that Midas does not serve. What is not there is a resource that does
// not exist, and nobody can make one.
func TestOtherTypesOfPartlyServedProvidersAreEmpty(t *testing.T) {
	s := newStack(t)
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	for _, typ := range []string{"Microsoft.Insights/activityLogAlerts", "Microsoft.Authorization/policyAssignments", "Microsoft.Resources/templateSpecs"} {
		at := "{sub}/resourceGroups/rg/providers/" + typ
		for _, c := range []struct {
			method, path string
			status       int
			has          string
		}{
			{"GET", at + "/x" + compute24, 404, "ResourceNotFound"},
			{"GET", at + compute24, 200, `{"value":[]}`},
			{"DELETE", at + "/x" + compute24, 204, ""},
			{"PUT", at + "/x" + compute24, 404, "InvalidResourceType"},
			{"PATCH", at + "/x" + compute24, 404, "InvalidResourceType"},
		} {
			if w := s.do(t, "owner", c.method, c.path, `{"location":"eastus"}`); w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
				t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
			}
		}
		if w := s.do(t, "nobody", "GET", at+"/x"+compute24, ""); w.Code != 403 {
			t.Errorf("%s: %d %s", at, w.Code, w.Body)
		}
	}
	s.want(t, 404, "owner", "GET", "{sub}/things"+core, "")
}
