package witness_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"midas/internal/agent"
	"midas/internal/host"
	"midas/midastest"
)

// answer is what ARM answers.
type answer struct {
	status int
	body   map[string]any
}

// text follows a path of names to a text.
func (a answer) text(path ...string) string {
	var at any = a.body
	for _, name := range path {
		object, _ := at.(map[string]any)
		at = object[name]
	}
	text, _ := at.(string)
	return text
}

// arm sends a request to ARM as the administrator, or with another token.
func (w *world) arm(t testing.TB, method, path, body string, bearer ...string) answer {
	t.Helper()
	token := w.Token(t, midastest.Management)
	if len(bearer) > 0 {
		token = bearer[0]
	}
	req, err := http.NewRequestWithContext(t.Context(), method, w.Endpoint+path, strings.NewReader(body))
	check(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.guard.Do(req)
	check(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	check(t, err)
	a := answer{status: resp.StatusCode}
	if len(bytes.TrimSpace(data)) > 0 {
		check(t, json.Unmarshal(data, &a.body))
	}
	return a
}

// did sends a request that must succeed.
func (w *world) did(t testing.TB, method, path, body string) answer {
	t.Helper()
	a := w.arm(t, method, path, body)
	if a.status >= 300 {
		t.Fatalf("%s %s: %d %v", method, path, a.status, a.body)
	}
	return a
}

const machineVersion = "?api-version=2024-07-01"

func (w *world) machineID(name string) string {
	return w.scope() + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + name
}

// vm makes a machine, or changes its identities: "system" stands for its own, other texts are ids.
func (w *world) vm(t testing.TB, name string, identities ...string) string {
	t.Helper()
	id := w.machineID(name)
	kind, users := "None", []string{}
	for _, i := range identities {
		if i == "system" {
			kind = "SystemAssigned"
		} else {
			users = append(users, fmt.Sprintf("%q:{}", i))
		}
	}
	block := fmt.Sprintf(`{"type":%q}`, kind)
	if len(users) > 0 {
		kind = strings.TrimPrefix(strings.TrimPrefix(kind+", UserAssigned", "None"), ", ")
		block = fmt.Sprintf(`{"type":%q,"userAssignedIdentities":{%s}}`, kind, strings.Join(users, ","))
	}
	w.did(t, "PUT", id+machineVersion, `{"location":"eastus","identity":`+block+`}`)
	return id
}

// enrollmentToken creates an enrollment token for a resource.
func (w *world) enrollmentToken(t testing.TB, resource string) host.Secret {
	t.Helper()
	return host.Secret(w.did(t, "POST", resource+"/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01", "").text("token"))
}

// enrolled makes a folder as a host of the resource has one.
func (w *world) enrolled(t testing.TB, resource string) string {
	t.Helper()
	state := t.TempDir()
	roots, err := os.ReadFile(w.CAFile)
	check(t, err)
	id, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: w.Endpoint, Roots: string(roots), Resource: resource, Token: w.enrollmentToken(t, resource)}, state)
	check(t, err)
	if id != resource {
		t.Errorf("enrolled as %s, want %s", id, resource)
	}
	return state
}

// agent runs a host's agent on free ports until the test ends.
func (w *world) agent(t testing.TB, resource string, flavours ...string) *agent.Server {
	t.Helper()
	return run(t, w.enrolled(t, resource), flavours...)
}

func run(t testing.TB, state string, flavours ...string) *agent.Server {
	t.Helper()
	if len(flavours) == 0 {
		flavours = []string{"imds"}
	}
	cfg := agent.ServerConfig{State: state, Log: slog.New(slog.DiscardHandler), ArcFolder: t.TempDir()}
	for _, f := range flavours {
		cfg.Endpoints = append(cfg.Endpoints, agent.EndpointConfig{Flavour: f, Listen: "127.0.0.1:0", Unlimited: true})
	}
	a, err := agent.Open(t.Context(), cfg)
	check(t, err)
	a.Start()
	t.Cleanup(func() {
		if err := errors.Join(a.Err(), a.Close()); err != nil {
			t.Errorf("end the agent: %v", err)
		}
	})
	return a
}

// imds asks an agent as a script does. It gives the token, or the reason why there is none.
func imds(t testing.TB, a *agent.Server, audience, selector string) (token, reason string) {
	t.Helper()
	url := a.URLs()[0] + "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + audience + selector
	req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	check(t, err)
	req.Header.Set("Metadata", "true")
	resp, err := direct().Do(req)
	check(t, err)
	defer resp.Body.Close()
	var body struct {
		Token       string `json:"access_token"`
		Description string `json:"error_description"`
	}
	check(t, json.NewDecoder(resp.Body).Decode(&body))
	if (resp.StatusCode == http.StatusOK) != (body.Token != "") {
		t.Errorf("%s with a token of %d bytes", resp.Status, len(body.Token))
	}
	return body.Token, body.Description
}

func direct() *http.Client { return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} }

// metadataTransport is how a program on the host reaches its metadata service: what is meant for the
// well-known address goes to the agent, and nothing leaves this machine.
func metadataTransport(t testing.TB, a *agent.Server) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "169.254.169.254:80" {
			address = strings.TrimPrefix(a.URLs()[0], "http://")
		}
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			t.Errorf("a client dialled %s", address)
			return nil, errors.New("this is not this machine")
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// managed is the credential that programs on Azure use.
func managed(t testing.TB, client *http.Client, id azidentity.ManagedIDKind) azcore.TokenCredential {
	t.Helper()
	credential, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: client, Retry: policy.RetryOptions{MaxRetries: -1}}, ID: id,
	})
	check(t, err)
	return credential
}

func clientOptions(t testing.TB, a *agent.Server) azcore.ClientOptions {
	t.Helper()
	return azcore.ClientOptions{Transport: metadataTransport(t, a), Retry: policy.RetryOptions{MaxRetries: -1}}
}

// within waits for something that must happen soon, and tells how long it took.
func within(t testing.TB, limit time.Duration, what string, happened func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !happened() {
		if time.Since(begun) > limit {
			t.Errorf("%s has not happened within %s", what, limit)
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(begun)
}
