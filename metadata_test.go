package midas_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/internal/client"
)

const labMachine = "/subscriptions/" + midas.LabSubscriptionID + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"

// ask gets a token as a program on the machine does, and gives what it is told.
func ask(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", url+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=a", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata", "true")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// until asks again until the status is the wanted one, for as long as refusals are remembered.
func until(t *testing.T, url string, want int) string {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		status, body := ask(t, url)
		if status == want {
			return body
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d %s, want %d", status, body, want)
		}
	}
}

// An endpoint of Config.Metadata can start before its machine is created, and runs on after its deletion.
func TestMetadataEndpointStartsBeforeItsMachineExists(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Lab = "memory:", true
	cfg.Metadata = []midas.MetadataConfig{{Resource: labMachine, Listen: "127.0.0.1:0", Unlimited: true}}
	s := start(t, cfg)
	url := s.MetadataURLs()[0]
	if status, body := ask(t, url); status != 400 || !strings.Contains(body, "Identity not found") {
		t.Errorf("without a machine: %d %s", status, body)
	}
	admin, err := client.Open(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.HTTP.CloseIdleConnections()
	bearer, err := admin.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	arm := func(method, path, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, admin.Endpoint+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+bearer)
		req.Header.Set("Content-Type", "application/json")
		resp, err := admin.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, path, resp.Status)
		}
	}
	arm("PUT", labMachine[:strings.Index(labMachine, "/providers")]+"?api-version=2021-04-01", `{"location":"eastus"}`)
	const machine = `{"location":"eastus","identity":{"type":"SystemAssigned"}}`
	arm("PUT", labMachine+"?api-version=2024-07-01", machine)
	until(t, url, 200)
	arm("DELETE", labMachine+"?api-version=2024-07-01", "")
	until(t, url, 400)
	arm("PUT", labMachine+"?api-version=2024-07-01", machine)
	until(t, url, 200)

	begun := time.Now()
	shutdown(t, s)
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the end waited %s for an agent that waits for changes", took)
	}
}

func TestMetadataOnAPublicAddressIsWarnedOf(t *testing.T) {
	for listen, want := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "[::1]:0": false, ":0": true, "0.0.0.0:0": true} {
		cfg := quiet(t)
		cfg.Metadata = []midas.MetadataConfig{{Resource: labMachine, Listen: listen}}
		s := start(t, cfg)
		if got := strings.Contains(s.Warning(), "whoever reaches it gets the tokens"); got != want {
			t.Errorf("%s: %q", listen, s.Warning())
		}
		shutdown(t, s)
	}
}

func TestMetadataSettingsAreChecked(t *testing.T) {
	for _, m := range []midas.MetadataConfig{
		{Resource: "web", Listen: "127.0.0.1:0"}, {Resource: "/subscriptions/x/resourceGroups/y", Listen: "127.0.0.1:0"},
		{Resource: labMachine, Listen: "127.0.0.1"}, {Resource: labMachine, Listen: "127.0.0.1:x"}, {Resource: labMachine},
		{Resource: labMachine, Listen: "127.0.0.1:0", Google: midas.GoogleConfig{Listen: "127.0.0.1"}},
		{Resource: labMachine, Listen: "127.0.0.1:0", Google: midas.GoogleConfig{Audience: "https://vault.azure.net"}},
	} {
		cfg := quiet(t)
		cfg.Metadata = []midas.MetadataConfig{m}
		if s, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "metadata: ") {
			t.Errorf("%+v: %v", m, err)
			if s != nil {
				shutdown(t, s)
			}
		}
	}
}
