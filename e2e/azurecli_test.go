//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// admin is what admin.json says.
type admin struct {
	Endpoint, TenantID, SubscriptionID, ClientID, ClientSecret string
	UserName, UserPassword                                     string
}

// azureCLI is the real Azure CLI in surroundings of its own.
type azureCLI struct {
	admin
	data string
	run  []string // what stands before "az": midas exec, or nothing
	env  []string
}

// world is a fresh server, and Azure CLI under midas exec.
func world(t *testing.T) *azureCLI {
	t.Helper()

	dir := t.TempDir()
	begin(t, dir)
	w := &azureCLI{data: filepath.Join(dir, "midas-data")}
	text, err := os.ReadFile(filepath.Join(w.data, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &w.admin); err != nil {
		t.Fatal(err)
	}
	w.run = []string{midasBinary(t), "exec", "--data", w.data, "--"}
	w.env = append(os.Environ(), "AZURE_CORE_COLLECT_TELEMETRY=0")
	return w
}

func midasBinary(t *testing.T) string {
	t.Helper()
	binary, err := filepath.Abs("../bin/midas")
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// command is a program in the surroundings, which ends with the test.
func (w *azureCLI) command(ctx context.Context, words ...string) *exec.Cmd {
	words = append(w.run[:len(w.run):len(w.run)], words...)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env, cmd.Dir = w.env, filepath.Dir(w.data)
	// A killed midas leaves its command behind, so it is asked to end.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// try runs az.
func (w *azureCLI) try(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	need(t, "az")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, append([]string{"az"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// az runs az, which must succeed, and gives what it printed.
func (w *azureCLI) az(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := w.try(t, args...)
	if err != nil {
		t.Fatalf("az %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return strings.TrimSpace(out)
}

// query runs az with a JMESPath query that gives one word.
func (w *azureCLI) query(t *testing.T, query string, args ...string) string {
	t.Helper()
	return w.az(t, append(args, "--query", query, "--output", "tsv")...)
}

// want checks the one word that a query gives.
func (w *azureCLI) want(t *testing.T, want, query string, args ...string) {
	t.Helper()
	if got := w.query(t, query, args...); got != want {
		t.Errorf("az %s: %s is %q, want %q", strings.Join(args, " "), query, got, want)
	}
}

// signInBySecret is az login as the administrator's service principal.
func (w *azureCLI) signInBySecret(t *testing.T, tenant string) {
	t.Helper()
	w.want(t, w.SubscriptionID, "[0].id", "login", "--service-principal", "-u", w.ClientID, "-p", w.ClientSecret, "--tenant", tenant)
}

func TestAzureCLIWorksOnIdentities(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	w.identities(t)
}

// federatedCredentials goes through the life of a federated credential of the identity app.
func (w *azureCLI) federatedCredentials(t *testing.T) {
	t.Helper()
	run := func(verb string, args ...string) []string {
		return append([]string{"identity", "federated-credential", verb, "-g", "rg1", "--identity-name", "app"}, args...)
	}
	const issuer, subject = "https://token.actions.githubusercontent.com", "repo:contoso/app:ref:refs/heads/main"
	w.want(t, subject, "subject", run("create", "--name", "main", "--issuer", issuer, "--subject", subject, "--audiences", "api://AzureADTokenExchange")...)
	w.want(t, subject+"2", "subject", run("update", "--name", "main", "--issuer", issuer, "--subject", subject+"2", "--audiences", "api://AzureADTokenExchange")...)
	w.want(t, issuer, "issuer", run("show", "--name", "main")...)
	w.want(t, "main", "[].name | join(' ', @)", run("list")...)
	w.az(t, run("delete", "--name", "main", "--yes")...)
	w.want(t, "0", "length(@)", run("list")...)
}

// identities is an administrator's morning.
func (w *azureCLI) identities(t *testing.T) {
	t.Helper()
	w.want(t, w.SubscriptionID, "id", "account", "show")
	w.want(t, w.ClientID, "[0].user.name", "account", "list")
	if token := w.query(t, "accessToken", "account", "get-access-token"); strings.Count(token, ".") != 2 {
		t.Errorf("get-access-token printed %q", token)
	}
	w.want(t, "eastus", "[?displayName=='East US'].name | [0]", "account", "list-locations")
	w.want(t, "Succeeded", "properties.provisioningState", "group", "create", "-n", "rg1", "-l", "eastus")
	if got := w.az(t, "group", "exists", "-n", "rg1"); got != "true" {
		t.Errorf("group exists: %s", got)
	}
	w.want(t, "rg1", "[].name | join(' ', @)", "group", "list")
	principal := w.query(t, "principalId", "identity", "create", "-g", "rg1", "-n", "app", "--tags", "a=b")
	w.want(t, principal+" b", "join(' ', [principalId, tags.a])", "identity", "show", "-g", "rg1", "-n", "app")
	w.want(t, "app", "[].name | join(' ', @)", "identity", "list")
	w.want(t, "true", "contains([].name, 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action')", "identity", "list-operations")
	w.want(t, "Microsoft.ManagedIdentity/userAssignedIdentities", "[0].type", "resource", "list")
	w.want(t, "rg1", "value[0].name", "rest", "--url", "/subscriptions/{subscriptionId}/resourceGroups?api-version=2021-04-01")
	w.federatedCredentials(t)
	w.az(t, "identity", "delete", "-g", "rg1", "-n", "app")
	if _, errs, err := w.try(t, "identity", "show", "-g", "rg1", "-n", "app"); err == nil || !strings.Contains(errs, "ResourceNotFound") {
		t.Errorf("show of what was deleted: %v %s", err, errs)
	}
	w.az(t, "group", "delete", "-n", "rg1", "--yes")
	if got := w.az(t, "group", "exists", "-n", "rg1"); got != "false" {
		t.Errorf("group exists after its end: %s", got)
	}
	w.az(t, "logout")
	if _, errs, err := w.try(t, "account", "show"); err == nil || !strings.Contains(errs, "az login") {
		t.Errorf("account show after logout: %v %s", err, errs)
	}
}

func TestAzureCLIIsToldThatASecretIsWrong(t *testing.T) {
	w := world(t)
	_, errs, err := w.try(t, "login", "--service-principal", "-u", w.ClientID, "-p", "not-the-secret-of-anyone", "--tenant", w.TenantID)
	if err == nil || !strings.Contains(errs, "AADSTS7000215") {
		t.Errorf("%v %s", err, errs)
	}
}
