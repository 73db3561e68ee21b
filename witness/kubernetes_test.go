package witness_test

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	checkaccess "github.com/Azure/checkaccess-v2-go-sdk/client"
)

// Built-in roles for Kubernetes.
const (
	roleAKSReader       = "7f6c6a51-bcf8-42ba-9220-52d62157d7db" // Azure Kubernetes Service RBAC Reader
	roleAKSWriter       = "a7ffa36f-339b-4b5c-8bdf-e2c188b2c0eb" // Azure Kubernetes Service RBAC Writer
	roleAKSClusterAdmin = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b" // Azure Kubernetes Service RBAC Cluster Admin
	roleArcViewer       = "63f0a09d-1495-4db4-a681-037d84835eb4" // Azure Arc Kubernetes Viewer
)

// review is what guard reads of a SubjectAccessReview.
type review struct{ verb, resource, subresource, namespace, path string }

// action is the name that guard gives to the action of a review.
func (r review) action(cluster string) string {
	verb := map[string]string{"get": "read", "list": "read", "watch": "read", "create": "write", "update": "write", "patch": "write", "delete": "delete"}[r.verb]
	switch {
	case r.path != "":
		return path.Join(cluster, r.path, verb)
	case r.resource == "pods" && r.subresource == "exec":
		return path.Join(cluster, "pods/exec/action")
	}
	return path.Join(cluster, r.resource, verb)
}

func (r review) scope(cluster string) string {
	if r.namespace == "" {
		return cluster
	}
	return path.Join(cluster, "namespaces", r.namespace)
}

// guardOne asks with version 1, as guard does: one question below the path of the resource, whose answer is an array. It
// decodes the fields and types that guard decodes.
func (w *world) guardOne(t *testing.T, bearer, scope, subject string, groups []string, actions ...string) (allowed bool) {
	t.Helper()
	type action struct {
		Id           string
		IsDataAction bool
		Attributes   map[string]string
	}
	var asked []action
	for _, a := range actions {
		asked = append(asked, action{a, true, nil})
	}
	body, err := json.Marshal(map[string]any{
		"Subject": map[string]any{"Attributes": map[string]any{"ObjectId": subject, "Groups": groups}},
		"Actions": asked, "Resource": map[string]any{"Id": scope},
	})
	check(t, err)
	status, text, header := w.exchange(t, "POST", w.Endpoint+scope+"/providers/Microsoft.Authorization/checkaccess?api-version=2018-09-01-preview", bearer, string(body))
	var answer []struct {
		AccessDecision, ActionId string
		IsDataAction             bool
		RoleAssignment           struct{ Id, RoleDefinitionId, PrincipalId, PrincipalType, Scope, Condition, ConditionVersion string }
		DenyAssignment           struct{ Id, Name, Description, Scope, IsSystemProtected string }
		TimeToLiveInMs           int
	}
	if status != http.StatusOK || json.Unmarshal([]byte(text), &answer) != nil || len(answer) != len(actions) {
		t.Fatalf("%d %s", status, text)
	}
	if remaining, err := strconv.Atoi(header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads")); err != nil || remaining < 4000 {
		t.Errorf("guard would close its connections: %v", header)
	}
	allowed = true
	for i, d := range answer {
		if d.ActionId != actions[i] || !d.IsDataAction || d.TimeToLiveInMs <= 0 || (d.AccessDecision == "Allowed") != (d.RoleAssignment.Id != "") {
			t.Errorf("decision %d: %+v", i, d)
		}
		allowed = allowed && strings.EqualFold(d.AccessDecision, "allowed")
	}
	return allowed
}

// guardTwo asks with version 2, as guard does: by the SDK, without saying that the actions are data actions, and taking
// the first page for all decisions.
func guardTwo(t *testing.T, client checkaccess.RemotePDPClient, scope, subject string, groups []string, actions ...string) (allowed bool) {
	t.Helper()
	q := question(subject, scope)
	q.Subject.Attributes.Groups = groups
	for _, a := range actions {
		q.Actions = append(q.Actions, checkaccess.ActionInfo{Id: a})
	}
	got := decided(t, client, q)
	return len(got) > 0 && !slices.ContainsFunc(got, func(d string) bool { return !strings.EqualFold(d, "allowed") })
}

// TestKubernetesAuthorizesByRoles sends what guard sends for reviews of the Kubernetes API server, in both versions, and
// decodes what guard decodes.
func TestKubernetesAuthorizesByRoles(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	const managed, connected = "Microsoft.ContainerService/managedClusters", "Microsoft.Kubernetes/connectedClusters"
	aks, arc := group+"/providers/"+managed+"/aks", group+"/providers/"+connected+"/arc"
	w.resource(t, aks, "2024-05-01")
	w.resource(t, arc, "2024-01-01")
	service, principal := w.app(t, "guard")
	w.assign(t, group, roleReader, principal)
	token, err := service.GetToken(t.Context(), policyFor("https://management.azure.com/.default"))
	check(t, err)
	two := w.decisions(t, service)

	users := map[string]string{}
	for name, role := range map[string]string{
		"reader": roleAKSReader, "writer": roleAKSWriter, "admin": roleAKSClusterAdmin, "viewer": roleArcViewer, "contributor": roleContributor, "nobody": "",
	} {
		if users[name] = w.user(t, "kube-"+name); role != "" {
			w.assign(t, group, role, users[name])
		}
	}
	pods, exec := review{verb: "get", resource: "pods", namespace: "default"}, review{verb: "create", resource: "pods", subresource: "exec", namespace: "default"}
	secrets, logs := review{verb: "get", resource: "secrets", namespace: "kube-system"}, review{verb: "get", path: "/logs"}
	nodes := review{verb: "list", resource: "nodes"}
	widgets := review{verb: "get", resource: "example.com/widgets", namespace: "default"}
	for _, test := range []struct {
		user    string
		allowed []review
		refused []review
	}{
		{"reader", []review{pods}, []review{exec, secrets, logs, nodes, widgets}},
		{"writer", []review{pods, exec, secrets}, []review{logs, nodes, widgets}},
		{"admin", []review{pods, exec, secrets, logs, nodes, widgets}, nil},
		{"viewer", nil, []review{pods}},
		{"contributor", nil, []review{pods, exec, secrets, logs, nodes, widgets}},
		{"nobody", nil, []review{pods, secrets, logs}},
	} {
		ask := func(r review, want bool) {
			t.Helper()
			if got := w.guardOne(t, token.Token, r.scope(aks), users[test.user], nil, r.action(managed)); got != want {
				t.Errorf("version 1: %s %+v: %t", test.user, r, got)
			}
			if got := guardTwo(t, two, r.scope(aks), users[test.user], nil, r.action(managed)); got != want {
				t.Errorf("version 2: %s %+v: %t", test.user, r, got)
			}
		}
		for _, r := range test.allowed {
			ask(r, true)
		}
		for _, r := range test.refused {
			ask(r, false)
		}
	}
	if !w.guardOne(t, token.Token, pods.scope(arc), users["viewer"], nil, pods.action(connected)) || w.guardOne(t, token.Token, secrets.scope(arc), users["viewer"], nil, secrets.action(connected)) {
		t.Error("a viewer of a connected cluster does not have its rights")
	}

	team := w.groupOf(t, "team", users["nobody"])
	w.assign(t, group, roleAKSReader, team)
	for groups, want := range map[string]bool{team: true, users["reader"]: false} {
		if got := w.guardOne(t, token.Token, pods.scope(aks), users["nobody"], []string{groups}, pods.action(managed)); got != want {
			t.Errorf("with the group %s: %t", groups, got)
		}
	}
	var many []string
	for range 199 {
		many = append(many, pods.action(managed))
	}
	if !w.guardOne(t, token.Token, aks, users["reader"], nil, append(many, pods.action(managed))...) || w.guardOne(t, token.Token, aks, users["reader"], nil, append(many, secrets.action(managed))...) {
		t.Error("a batch of 200 is decided otherwise than its actions")
	}
	if guardTwo(t, two, aks, users["reader"], nil, append(many, secrets.action(managed))...) {
		t.Error("guard does not see a refusal on a later page")
	}

	other, _ := w.app(t, "without a role")
	none, err := other.GetToken(t.Context(), policyFor("https://management.azure.com/.default"))
	check(t, err)
	if status, text := w.send(t, "POST", w.Endpoint+aks+"/providers/Microsoft.Authorization/checkaccess?api-version=2018-09-01-preview", none.Token, "{}"); status != 403 || armCode(text) != "AuthorizationFailed" {
		t.Errorf("a caller without a role: %d %s", status, text)
	}
	above := `{"Subject":{"Attributes":{"ObjectId":"` + users["reader"] + `"}},"Actions":[{"Id":"A.B/c/read"}],"Resource":{"Id":"` + w.scope() + `"}}`
	if status, text := w.send(t, "POST", w.Endpoint+aks+"/providers/Microsoft.Authorization/checkaccess?api-version=2018-09-01-preview", token.Token, above); status != 400 || armCode(text) != "InvalidRequestContent" {
		t.Errorf("a question about a resource above the path: %d %s", status, text)
	}
}

// TestKubernetesActionsAreListed: guard reads the data actions of both providers at its start. All those that built-in
// roles name are among them.
func TestKubernetesActionsAreListed(t *testing.T) {
	w := start(t)
	token := w.Token(t, "https://management.azure.com")
	listed := map[string]bool{}
	for cluster, url := range map[string]string{
		"Microsoft.ContainerService/managedClusters": "/providers/Microsoft.ContainerService/operations?api-version=2018-10-31",
		"Microsoft.Kubernetes/connectedClusters":     "/providers/Microsoft.Kubernetes/operations?api-version=2021-10-01",
	} {
		status, text := w.send(t, "GET", w.Endpoint+url, token, "")
		var operations struct {
			Value []struct {
				Name         string
				IsDataAction *bool
				Display      struct{ Provider, Resource, Operation, Description string }
			}
		}
		if status != 200 || json.Unmarshal([]byte(text), &operations) != nil {
			t.Fatalf("%s: %d %s", url, status, text)
		}
		for _, o := range operations.Value {
			if o.IsDataAction != nil && *o.IsDataAction {
				listed[o.Name] = true
				if o.Display.Description == "" || strings.Count(o.Name, "/") < 3 {
					t.Errorf("%+v", o)
				}
			}
		}
		for _, action := range []string{"pods/read", "pods/exec/action", "secrets/write", "apps/deployments/delete", "rbac.authorization.k8s.io/roles/bind/action", "logs/read"} {
			if !listed[cluster+"/"+action] {
				t.Errorf("%s/%s is not listed", cluster, action)
			}
		}
	}
	named := 0
	for _, page := range pages(t, w.authorization(t).NewRoleDefinitionsClient().NewListPager(w.scope(), nil)) {
		for _, role := range page.Value {
			for _, p := range role.Properties.Permissions {
				for _, action := range slices.Concat(p.DataActions, p.NotDataActions) {
					kubernetes := strings.HasPrefix(*action, "Microsoft.ContainerService/managedClusters/") || strings.HasPrefix(*action, "Microsoft.Kubernetes/connectedClusters/")
					if kubernetes && !strings.Contains(*action, "*") {
						if named++; !listed[*action] {
							t.Errorf("%s of %s is not listed", *action, *role.Properties.RoleName)
						}
					}
				}
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d actions of roles were compared", named)
	}
}
