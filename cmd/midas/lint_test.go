package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas/internal/client"
)

// send sends a request of the administrator with a token for ARM, which must succeed.
func sendARM(t *testing.T, data, server, method, path, body string) {
	t.Helper()
	admin, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	token, err := admin.Token(context.Background(), defaultResource)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, server+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	answer(t, data, req)
}

// TestLintRolesFindsWhatIsWrong makes one mistake of each kind. The findings are the same with and without a server.
func TestLintRolesFindsWhatIsWrong(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	if out := told(t, data, "lint", "roles"); strings.Contains(out, "warning") || strings.Contains(out, "error") || !strings.Contains(out, "info assigns-roles") {
		t.Errorf("a new server has %s", out)
	}
	sub := "/subscriptions/" + readAdmin(t, data)["subscriptionId"]
	put := func(path, body string) { t.Helper(); sendARM(t, data, p.url, "PUT", path, body) }
	assign := func(name, role, more string) {
		t.Helper()
		put(sub+"/providers/Microsoft.Authorization/roleAssignments/"+name+"?api-version=2022-04-01",
			`{"properties":{"roleDefinitionId":"`+sub+`/providers/Microsoft.Authorization/roleDefinitions/`+role+`",`+more+`}}`)
	}
	const (
		rbacAdmin, owner = "f58310d9-a9f6-439a-9e8d-f62e7b41a168", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
		denylist         = "11111111-0000-4000-8000-000000000001"
		gone             = "11111111-0000-4000-8000-000000000002"
		never            = "11111111-0000-4000-8000-000000000003"
	)
	eve := made(t, told(t, data, "user", "add", "eve", "--password", "Chosen-Password-7"))["id"]
	condition := func(text string) string {
		return `"principalId":"` + eve + `","conditionVersion":"2.0","condition":"` + text + `"`
	}
	assign(denylist, rbacAdmin, condition("@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {"+owner+"}"))
	assign(never, "acdd72a7-3385-48ef-bd42-f606fba81ae7", condition("@Environment[isPrivateLink] BoolEquals true"))
	assign(gone, owner, `"principalId":"5d5b1f6e-0000-4000-8000-000000000001","principalType":"User"`)
	put(sub+"/resourceGroups/rg?api-version=2021-04-01", `{"location":"eastus"}`)
	identity := sub + "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/boss"
	put(identity+"?api-version=2023-01-31", `{"location":"eastus"}`)
	told(t, data, "role", "assign", "--assignee", "boss", "--role", "Owner")
	told(t, data, "user", "add", "mallory", "--password", "Chosen-Password-7")
	told(t, data, "role", "assign", "--assignee", "mallory@midas.localhost", "--role", "Managed Identity Contributor", "--scope", sub+"/resourceGroups/rg")

	lint := func() string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "midas", "lint", "roles", "--data", data).Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 {
			t.Errorf("it ended with %v", err)
		}
		return string(out)
	}
	running := lint()
	for _, want := range []string{
		`error condition-denylist \S+` + denylist + `: `, `warning condition-never-true \S+` + never + `: `, `warning principal-gone \S+` + gone + `: `,
		`warning becomes-identity \S+: The principal \S+ can add a federated credential to the identity ` + identity + `, which has the role Owner`,
		`info assigns-roles `,
	} {
		if !regexp.MustCompile(`(?m)^` + want).MatchString(running) {
			t.Errorf("there is no %s in\n%s", want, running)
		}
	}
	if n := strings.Count(running, "becomes-identity"); n != 1 {
		t.Errorf("%d principals become the identity, want 1: an Owner gains nothing\n%s", n, running)
	}
	p.end(t, os.Interrupt)
	if offline := lint(); offline != running {
		t.Errorf("without a server:\n%s\nwith it:\n%s", offline, running)
	}
}
