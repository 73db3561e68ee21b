package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// told runs a command on a folder, which must succeed, and gives what it printed.
func told(t *testing.T, data string, args ...string) string {
	t.Helper()
	out, errs, ok := command(t, append(args, "--data", data)...)
	if !ok || errs != "" {
		t.Fatalf("midas %s: %s%s", strings.Join(args, " "), out, errs)
	}
	return out
}

// refused runs a command that must fail with the words.
func refused(t *testing.T, data, words string, args ...string) {
	t.Helper()
	out, errs, ok := command(t, append(args, "--data", data)...)
	if ok || !strings.Contains(errs, words) || out != "" {
		t.Errorf("midas %s: %v %s%s, want %q", strings.Join(args, " "), ok, out, errs, words)
	}
}

// made reads the JSON that a command printed.
func made(t *testing.T, text string) map[string]string {
	t.Helper()
	var fields map[string]string
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return fields
}

// signIn asks the token endpoint, as any client.
func signIn(t *testing.T, data, server string, form url.Values) string {
	t.Helper()
	admin := readAdmin(t, data)
	return post(t, data, server+"/"+admin["tenantId"]+"/oauth2/v2.0/token", form)
}

func readAdmin(t *testing.T, data string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	return made(t, string(text))
}

// post sends a form, and bearer a request with a token, as a client that trusts the folder's ca.pem.
func post(t *testing.T, data, address string, form url.Values) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return answer(t, data, req)
}

func bearer(t *testing.T, data, address, token string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return answer(t, data, req)
}

func answer(t *testing.T, data string, req *http.Request) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots(t, data)}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// azureCLI is the client id of Azure CLI, which every tenant knows.
const azureCLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

func byPassword(name, password string) url.Values {
	return url.Values{
		"grant_type": {"password"}, "client_id": {azureCLI}, "username": {name}, "password": {password},
		"scope": {"https://management.azure.com/.default"},
	}
}

func TestUsersFromTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	alice := made(t, told(t, data, "user", "add", "alice"))
	if alice["userPrincipalName"] != "alice@midas.localhost" || alice["displayName"] != "alice" {
		t.Errorf("made %v", alice)
	}
	if got := signIn(t, data, p.url, byPassword("alice@midas.localhost", alice["password"])); !strings.Contains(got, "access_token") {
		t.Errorf("the printed password: %s", got)
	}
	told(t, data, "user", "password", "alice", "--password", "Another-Password-7")
	if got := signIn(t, data, p.url, byPassword("alice@midas.localhost", alice["password"])); !strings.Contains(got, "AADSTS50126") {
		t.Errorf("the old password: %s", got)
	}
	bob := made(t, told(t, data, "user", "add", "bob@midas.localhost", "--display-name", "Bob B.", "--password", "Chosen-Password-7"))
	if _, printed := bob["password"]; printed || bob["displayName"] != "Bob B." {
		t.Errorf("made %v", bob)
	}
	password := strings.TrimSpace(told(t, data, "user", "password", bob["id"]))
	if got := signIn(t, data, p.url, byPassword("bob@midas.localhost", password)); !strings.Contains(got, "access_token") {
		t.Errorf("the new password: %s", got)
	}
	if list := told(t, data, "user", "list"); !strings.Contains(list, "bob@midas.localhost    Bob B.\n") || strings.Count(list, "\n") != 3 {
		t.Errorf("list:\n%s", list)
	}
	told(t, data, "user", "delete", "alice")
	refused(t, data, "not found", "user", "delete", "alice")
	refused(t, data, "userPrincipalName already exists", "user", "add", "bob")
	refused(t, data, "assword", "user", "add", "carol", "--password", "weak")
}

func TestGroupsFromTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	alice := made(t, told(t, data, "user", "add", "alice", "--password", "Chosen-Password-7"))
	group := made(t, told(t, data, "group", "add", "the developers"))
	told(t, data, "group", "member", "add", "the developers", "alice@midas.localhost")
	if got := told(t, data, "group", "member", "list", group["id"]); got != alice["id"]+"  User  alice\n" {
		t.Errorf("members: %q", got)
	}
	// A role of the group is one of its members.
	id := told(t, data, "role", "assign", "--assignee", "the developers", "--role", "Reader")
	if !regexp.MustCompile(`^/subscriptions/[0-9a-f-]{36}/providers/Microsoft.Authorization/roleAssignments/[0-9a-f-]{36}\n$`).MatchString(id) {
		t.Errorf("role assign printed %q", id)
	}
	subscriptions := func() string {
		t.Helper()
		var answer struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal([]byte(signIn(t, data, p.url, byPassword("alice@midas.localhost", "Chosen-Password-7"))), &answer); err != nil {
			t.Fatal(err)
		}
		return bearer(t, data, p.url+"/subscriptions?api-version=2022-12-01", answer.Token)
	}
	if got := subscriptions(); !strings.Contains(got, readAdmin(t, data)["subscriptionId"]) {
		t.Errorf("a member sees %s", got)
	}
	told(t, data, "group", "member", "remove", "the developers", alice["id"])
	if got := subscriptions(); strings.Contains(got, readAdmin(t, data)["subscriptionId"]) {
		t.Errorf("who is no longer a member sees %s", got)
	}
	told(t, data, "group", "add", "twins")
	told(t, data, "group", "add", "twins")
	refused(t, data, `group "twins": several objects have this name; use the id`, "group", "delete", "twins")
	refused(t, data, `group "nobody's": not found`, "group", "member", "list", "nobody's")
	told(t, data, "group", "delete", group["id"])
	if list := told(t, data, "group", "list"); strings.Count(list, "twins") != 2 || strings.Contains(list, "developers") {
		t.Errorf("list:\n%s", list)
	}
}

// TestConsentFromTheCommandLine has an application sign in for somebody before and after.
func TestConsentFromTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	app := made(t, told(t, data, "app", "create", "portal"))
	secret := strings.TrimSpace(told(t, data, "app", "secret", "portal"))
	admin := readAdmin(t, data)
	form := byPassword(admin["userName"], admin["userPassword"])
	form.Set("client_id", app["appId"])
	form.Set("client_secret", secret)
	if got := signIn(t, data, p.url, form); !strings.Contains(got, "AADSTS65001") {
		t.Errorf("without consent: %s", got)
	}
	told(t, data, "app", "consent", "portal")
	if got := signIn(t, data, p.url, form); !strings.Contains(got, "AADSTS65001") {
		t.Errorf("with consent at Graph only: %s", got)
	}
	told(t, data, "app", "consent", "portal", "--api", "https://management.azure.com")
	if got := signIn(t, data, p.url, form); !strings.Contains(got, `"access_token"`) {
		t.Errorf("with consent: %s", got)
	}
	form.Set("scope", "User.Read")
	if got := signIn(t, data, p.url, form); !strings.Contains(got, `"access_token"`) {
		t.Errorf("at Graph: %s", got)
	}
	form.Set("scope", "User.ReadWrite")
	if got := signIn(t, data, p.url, form); !strings.Contains(got, "AADSTS65001") {
		t.Errorf("more: %s", got)
	}
	told(t, data, "app", "consent", "portal", "--scope", "User.ReadWrite", "--scope", "User.Read")
	told(t, data, "app", "consent", "portal", "--scope", "Group.Read.All", "--user", admin["userName"])
	if got := signIn(t, data, p.url, form); !strings.Contains(got, `"access_token"`) {
		t.Errorf("more, granted: %s", got)
	}
	refused(t, data, `application "nobody": not found`, "app", "consent", "nobody")
	refused(t, data, `resource "api://nowhere": not found`, "app", "consent", "portal", "--api", "api://nowhere")
	refused(t, data, "Request_ResourceNotFound", "app", "consent", "portal", "--user", "nobody@contoso.example")
	refused(t, data, "the scope contains an invalid value", "app", "consent", "portal", "--scope", "a/b")
}

func TestApplicationsFromTheCommandLine(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	app := made(t, told(t, data, "app", "create", "deployer", "--identifier-uri", "api://deployer", "--redirect", "https://localhost/back"))
	secret := strings.TrimSpace(told(t, data, "app", "secret", "deployer", "--days", "2"))
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app["appId"]}, "client_secret": {secret}, "scope": {"api://deployer/.default"},
	}
	if got := signIn(t, data, p.url, form); !strings.Contains(got, "access_token") {
		t.Errorf("by secret: %s", got)
	}
	for _, name := range []string{"deployer", app["appId"], app["id"]} { // each joins those before it
		file := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(file, selfSigned(t), 0o600); err != nil {
			t.Fatal(err)
		}
		told(t, data, "app", "certificate", name, file, "--label", "a label")
	}
	refused(t, data, "the file contains no certificate", "app", "certificate", "deployer", filepath.Join(data, "admin.json"))
	refused(t, data, "--days 0", "app", "secret", "deployer", "--days", "0")
	if got := told(t, data, "app", "list"); !strings.Contains(got, app["appId"]+"  "+app["id"]+"  deployer\n") {
		t.Errorf("list:\n%s", got)
	}
	for _, who := range []string{"deployer", app["appId"], app["principalId"]} {
		scope := "/subscriptions/" + readAdmin(t, data)["subscriptionId"]
		_, errs, ok := command(t, "role", "assign", "--data", data, "--assignee", who, "--role", "Reader", "--scope", scope)
		if first := who == "deployer"; ok != first || !first && !strings.Contains(errs, "RoleAssignmentExists") {
			t.Errorf("role for %s: %v %s", who, ok, errs)
		}
	}
	refused(t, data, `role "Emperor": not found`, "role", "assign", "--assignee", "deployer", "--role", "Emperor")
	refused(t, data, `principal "nobody": not found`, "role", "assign", "--assignee", "nobody", "--role", "Reader")
	refused(t, data, "is not an id such as", "role", "assign", "--assignee", "deployer", "--role", "Reader", "--scope", "rg1")
	told(t, data, "app", "delete", "deployer")
	if got := signIn(t, data, p.url, form); !strings.Contains(got, "AADSTS700016") {
		t.Errorf("after its end: %s", got)
	}
	refused(t, data, `application "deployer": not found`, "app", "delete", "deployer")
}

func selfSigned(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
