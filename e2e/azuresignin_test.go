//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// midas runs one of Midas's own commands on the world's server.
func (w *azureCLI) midas(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), midasBinary(t), args...)
	cmd.Env, cmd.Dir = append(os.Environ(), "MIDAS_DATA="+w.data), filepath.Dir(w.data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("midas %s: %v\n%s", strings.Join(args, " "), err, err.(*exec.ExitError).Stderr)
	}
	return strings.TrimSpace(string(out))
}

func TestAzureCLISignsInWithUserAndPassword(t *testing.T) {
	w := world(t)
	w.want(t, w.SubscriptionID+" user", "join(' ', [[0].id, [0].user.type])", "login", "-u", w.UserName, "-p", w.UserPassword)
	w.want(t, w.UserName, "userPrincipalName", "ad", "signed-in-user", "show")
	w.want(t, "rg1", "name", "group", "create", "-n", "rg1", "-l", "eastus")
	if _, errs, err := w.try(t, "login", "-u", w.UserName, "-p", "Wrong-Password-7"); err == nil || !strings.Contains(errs, "AADSTS50126") {
		t.Errorf("%v %s", err, errs)
	}
}

func TestAzureCLISignsInWithACertificate(t *testing.T) {
	need(t, "openssl")
	w := world(t)
	var app struct{ AppID string }
	if err := json.Unmarshal([]byte(w.midas(t, "app", "create", "deployer")), &app); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key, cert, both := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "both.pem")
	out, err := exec.CommandContext(t.Context(), "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
		"-subj", "/CN=deployer", "-keyout", key, "-out", cert).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	join(t, both, key, cert)
	w.midas(t, "app", "certificate", "deployer", cert)
	w.midas(t, "role", "assign", "--assignee", "deployer", "--role", "Reader")
	w.want(t, w.SubscriptionID, "[0].id", "login", "--service-principal", "-u", app.AppID, "-p", both, "--tenant", w.TenantID)
	w.want(t, "0", "length(@)", "group", "list")
	if _, errs, err := w.try(t, "group", "create", "-n", "rg1", "-l", "eastus"); err == nil || !strings.Contains(errs, "AuthorizationFailed") {
		t.Errorf("a Reader makes a group: %v %s", err, errs)
	}
}

// join writes files one after the other into one.
func join(t *testing.T, to string, from ...string) {
	t.Helper()
	var all []byte
	for _, name := range from {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(to, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAzureCLISignsInByDeviceCode(t *testing.T) {
	need(t, "az")
	w := world(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, "az", "login", "--use-device-code", "--query", "[0].id", "--output", "tsv")
	words, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said string
	for lines := bufio.NewScanner(words); lines.Scan(); {
		said += lines.Text() + "\n"
		if told := regexp.MustCompile(`open the page (\S+) and enter the code (\S+) to`).FindStringSubmatch(lines.Text()); told != nil {
			w.allowDevice(t, told[1], told[2])
		}
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(out.String()) != w.SubscriptionID {
		t.Fatalf("%v\n%s%s", err, said, &out)
	}
	w.want(t, w.UserName, "user.name", "account", "show")
	w.want(t, "[]", "to_string(@)", "group", "list")
}

// allowDevice is what the person does whom az has asked.
func (w *azureCLI) allowDevice(t *testing.T, page, code string) {
	t.Helper()
	b := newBrowser(t, w.data)
	b.open(t, page)
	b.submit(t, map[string]string{"code": code})
	b.submit(t, map[string]string{"username": w.UserName, "password": w.UserPassword, "action": "signin"})
	if strings.Contains(b.page, `name="action" value="continue"`) {
		b.submit(t, map[string]string{"action": "continue"})
	}
	if strings.Contains(b.page, "<form") {
		t.Fatalf("the page asks for more:\n%s", b.page)
	}
}

func TestAzureCLIReadsTheDirectory(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	w.az(t, "group", "create", "-n", "rg1", "-l", "eastus")
	principal := w.query(t, "principalId", "identity", "create", "-g", "rg1", "-n", "app")
	w.want(t, "app ManagedIdentity", "join(' ', [displayName, servicePrincipalType])", "ad", "sp", "show", "--id", principal)
	w.want(t, "Application", "servicePrincipalType", "ad", "sp", "show", "--id", w.ClientID)
	w.want(t, principal, "[0].id", "ad", "sp", "list", "--display-name", "app")
	w.want(t, "true", "length(@) > `1`", "ad", "sp", "list", "--all")
	w.want(t, w.UserName, "value[0].userPrincipalName", "rest", "--url", "https://graph.microsoft.com/v1.0/users")
}

// TestAzureCLIManagesCredentialsOfApplications resets the secret of a service principal and signs in with it.
func TestAzureCLIManagesCredentialsOfApplications(t *testing.T) {
	w := world(t)
	w.signInBySecret(t, w.TenantID)
	app := w.query(t, "appId", "ad", "app", "create", "--display-name", "ci")
	w.want(t, w.query(t, "id", "ad", "sp", "show", "--id", w.ClientID), "[0].id", "ad", "app", "owner", "list", "--id", app)
	w.az(t, "ad", "sp", "create", "--id", app)
	first := w.query(t, "password", "ad", "sp", "credential", "reset", "--id", app, "--display-name", "key1")
	second := w.query(t, "password", "ad", "sp", "credential", "reset", "--id", app, "--append", "--display-name", "key2")
	w.want(t, "key1 key2", "join(' ', sort([].displayName))", "ad", "sp", "credential", "list", "--id", app)
	w.az(t, "ad", "app", "federated-credential", "create", "--id", app, "--parameters",
		`{"name":"main","issuer":"https://issuer.test","subject":"repo:o/r:ref:refs/heads/main","audiences":["api://AzureADTokenExchange"]}`)
	w.want(t, "repo:o/r:ref:refs/heads/main", "subject", "ad", "app", "federated-credential", "show", "--id", app, "--federated-credential-id", "main")
	w.az(t, "ad", "app", "federated-credential", "update", "--id", app, "--federated-credential-id", "main", "--parameters",
		`{"issuer":"https://issuer.test","subject":"repo:o/r:pull_request","description":"d","audiences":["api://AzureADTokenExchange"]}`)
	w.want(t, "repo:o/r:pull_request", "[0].subject", "ad", "app", "federated-credential", "list", "--id", app)
	w.az(t, "ad", "app", "federated-credential", "delete", "--id", app, "--federated-credential-id", "main")
	flexible := w.query(t, "id", "rest", "--method", "post", "--url", "https://graph.microsoft.com/beta/applications(appId='"+app+"')/federatedIdentityCredentials", "--body",
		`{"name":"FlexFic1","issuer":"https://token.actions.githubusercontent.com","audiences":["api://AzureADTokenExchange"],"claimsMatchingExpression":{"value":"claims['sub'] matches 'repo:contoso/app:ref:refs/heads/*'","languageVersion":1}}`)
	w.want(t, "true", "[0].subject == null && [0].name == 'FlexFic1'", "ad", "app", "federated-credential", "list", "--id", app)
	w.az(t, "ad", "app", "federated-credential", "delete", "--id", app, "--federated-credential-id", flexible)
	w.want(t, "0", "length(@)", "ad", "app", "federated-credential", "list", "--id", app)
	for _, secret := range []string{first, second} {
		w.want(t, app, "[0].user.name", "login", "--service-principal", "-u", app, "-p", secret, "--tenant", w.TenantID, "--allow-no-subscriptions")
	}
}

// Without midas exec: Azure CLI knows Midas as a cloud, and only localhost is ever asked.
func TestAzureCLIByRegisteredCloud(t *testing.T) {
	need(t, "az", "bash")
	w := world(t)
	config := t.TempDir()
	w.run = nil
	// A way out that leads nowhere shows that none is needed.
	w.env = append(w.env, "AZURE_CONFIG_DIR="+config, "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1",
		"NO_PROXY=localhost", "REQUESTS_CA_BUNDLE="+filepath.Join(w.data, "ca.pem"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	register := w.command(ctx, "bash", "-euc", `eval "$("$0" cloud register --adfs --data "$1")"`, midasBinary(t), w.data)
	if out, err := register.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	w.want(t, "Midas", "name", "cloud", "show")
	w.signInBySecret(t, w.TenantID)
	w.want(t, w.ClientID, "appId", "ad", "sp", "show", "--id", w.ClientID)
	w.identities(t)
}

// person is somebody with a browser, which programs can open, and who signs in where they are asked.
// The browser is not under midas exec: it is the person's own. The channel is closed when they have
// signed in.
func (w *azureCLI) person(t *testing.T) <-chan struct{} {
	t.Helper()
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	if out, err := exec.CommandContext(t.Context(), "mkfifo", asked).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	script := filepath.Join(dir, "browser")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" > "+asked+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "BROWSER="+script)
	done := make(chan struct{})
	go func() {
		defer close(done)
		page, err := os.ReadFile(asked)
		if err != nil || !strings.HasPrefix(string(page), w.Endpoint+"/organizations/oauth2/v2.0/authorize?") {
			t.Errorf("the browser was asked for %q: %v", page, err)
			return
		}
		b := newBrowser(t, w.data)
		b.open(t, strings.TrimSpace(string(page)))
		b.submit(t, map[string]string{"username": w.UserName, "password": w.UserPassword, "action": "signin"})
		if b.at.Hostname() != "localhost" || b.at.Scheme != "http" {
			t.Errorf("the browser ended at %s:\n%s", b.at, b.page)
		}
	}()
	return done
}

func TestAzureCLISignsInWithABrowser(t *testing.T) {
	w := world(t)
	done := w.person(t)
	w.want(t, w.SubscriptionID+" user", "join(' ', [[0].id, [0].user.type])", "login")
	<-done
	w.want(t, w.UserName, "userPrincipalName", "ad", "signed-in-user", "show")
}

// A cloud can also be described by the server itself.
func TestAzureCLIReadsTheCloudFromTheServer(t *testing.T) {
	w := world(t)
	w.run = nil
	ca := filepath.Join(w.data, "ca.pem")
	base := append(w.env, "REQUESTS_CA_BUNDLE="+ca, "SSL_CERT_FILE="+ca, "HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=localhost")
	w.env = append(base[:len(base):len(base)], "AZURE_CONFIG_DIR="+t.TempDir())
	w.az(t, "cloud", "register", "-n", "Own", "--endpoint-resource-manager", w.Endpoint)
	w.want(t, w.Endpoint+"/", "endpoints.activeDirectory", "cloud", "show", "-n", "Own")
	w.env = append(base[:len(base):len(base)], "AZURE_CONFIG_DIR="+t.TempDir(),
		"ARM_CLOUD_METADATA_URL="+w.Endpoint+"/metadata/endpoints?api-version=2019-05-01")
	w.want(t, "Midas "+w.Endpoint+"/", "[].join(' ', [name, endpoints.microsoftGraphResourceId]) | [0]", "cloud", "list")
}
