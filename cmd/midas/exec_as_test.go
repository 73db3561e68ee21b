package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas/internal/client"
)

// machine makes a machine with an identity of its own and gives its id.
func machine(t *testing.T, data string) string {
	t.Helper()
	admin, err := client.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.HTTP.CloseIdleConnections()
	bearer, err := admin.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	group := "/subscriptions/" + admin.SubscriptionID + "/resourceGroups/rg"
	id := group + "/providers/Microsoft.Compute/virtualMachines/web"
	for _, step := range [][2]string{
		{group + "?api-version=2021-04-01", `{"location":"eastus"}`},
		{id + "?api-version=2024-07-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", admin.Endpoint+step[0], strings.NewReader(step[1]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", "application/json")
		resp, err := admin.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusCreated {
			t.Fatalf("%s: %s", step[0], resp.Status)
		}
	}
	return id
}

func TestExecAsIsAWorkloadOnTheResource(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	id := machine(t, data)
	// The metadata service is there, and wants its header, which a plain program does not send.
	out, errs, status := execute(t, nil, "--data", data, "--as", id, "--", "fetch", "http://169.254.169.254/metadata/versions", "http://169.254.169.254/metadata/none")
	if out != "400\n404\n" || status != 0 {
		t.Errorf("%d %s%s", status, out, errs)
	}
	out, errs, _ = execute(t, []string{"IMDS_ENDPOINT=http://elsewhere"}, "--data", data, "--as", id, "--",
		"sh", "-c", `echo "$MIDAS_CLIENT_SECRET$IMDS_ENDPOINT"; echo "$IDENTITY_ENDPOINT" | cut -c1-17; test -n "$IDENTITY_HEADER" && echo ok`)
	if out != "\nhttp://127.0.0.1:\nok\n" || errs != "" {
		t.Errorf("environment: %s%s", out, errs)
	}
	if _, errs, status := execute(t, nil, "--data", data, "--as", id+"2", "--", "true"); status != 125 || !strings.Contains(errs, "was not found") {
		t.Errorf("as nobody: %d %s", status, errs)
	}
	if _, errs, status := execute(t, nil, "--data", data, "--as", "web", "--", "true"); status != 125 || !strings.Contains(errs, "is not a resource id") {
		t.Errorf("as a bare name: %d %s", status, errs)
	}
}

func TestAgentIsEnrolledAndRunsFromTheCommandLine(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "agent")
	p := startServer(t, data)
	defer p.end(t, os.Interrupt)
	id := machine(t, data)
	token, errs, ok := command(t, "agent", "enrollment-token", "--data", data, "--resource", id)
	if !ok || !strings.HasPrefix(token, "mhe_") {
		t.Fatalf("enrollment-token: %s%s", token, errs)
	}
	args := []string{"agent", "enroll", "--state", state, "--server", p.url, "--ca", filepath.Join(data, "ca.pem"), "--token", strings.TrimSpace(token)}
	if out, errs, ok := command(t, args...); !ok || out != "enrolled "+id+"\n" {
		t.Errorf("enroll: %s%s", out, errs)
	}
	if out, errs, ok := command(t, args...); ok || !strings.Contains(errs, "was used already") {
		t.Errorf("enroll twice: %s%s", out, errs)
	}
	if out, errs, ok := command(t, "agent", "run", "--state", state+"x"); ok || !strings.Contains(errs, "midas agent enroll") {
		t.Errorf("run without a credential: %s%s", out, errs)
	}
	if out, errs, ok := command(t, "agent", "run", "--state", state, "--flavour", "other"); ok || !strings.Contains(errs, `no flavour "other"`) {
		t.Errorf("run another flavour: %s%s", out, errs)
	}
}

// TestUntrustedServersAreExplained reaches the server with the CA certificate of another one, or with none.
func TestUntrustedServersAreExplained(t *testing.T) {
	data, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "other")
	p, q := startServer(t, data), startServer(t, other)
	defer p.end(t, os.Interrupt)
	q.end(t, os.Interrupt)
	state, foreign := filepath.Join(t.TempDir(), "agent"), filepath.Join(other, "ca.pem")
	enroll := []string{"agent", "enroll", "--state", state, "--server", p.url, "--token", "mhe_x"}
	for name, args := range map[string][]string{"without --ca": enroll, "with another --ca": append(enroll, "--ca", foreign)} {
		if out, errs, ok := command(t, args...); ok || !strings.Contains(errs, "unknown authority") || !strings.Contains(errs, "--ca FILE") {
			t.Errorf("enroll %s: %s%s", name, out, errs)
		}
	}
	ca, err := os.ReadFile(foreign)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "ca.pem"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"token"}, {"user", "list"}, {"group", "list"}, {"agent", "enrollment-token", "--resource", "/subscriptions/s/resourceGroups/g/providers/a.b/c/d"}} {
		if out, errs, ok := command(t, append(args, "--data", data)...); ok || !strings.Contains(errs, "unknown authority") || !strings.Contains(errs, "--data") {
			t.Errorf("%v: %s%s", args, out, errs)
		}
	}
}

func TestPlainRequestToTheServerNamesTheURL(t *testing.T) {
	p := startServer(t, filepath.Join(t.TempDir(), "data"))
	defer p.end(t, os.Interrupt)
	resp, err := http.Get(strings.Replace(p.url, "https://", "http://", 1) + "/subscriptions?api-version=2022-12-01")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), p.url+"/subscriptions") {
		t.Errorf("%v %s %s", err, resp.Status, body)
	}
}
