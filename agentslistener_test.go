package midas_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/client"
)

// makeMachine creates the machine of the laboratory, with an identity of its own.
func makeMachine(t *testing.T, admin *client.Client) {
	t.Helper()
	bearer, err := admin.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]string{
		{labMachine[:strings.Index(labMachine, "/providers")] + "?api-version=2021-04-01", `{"location":"eastus"}`},
		{labMachine + "?api-version=2024-07-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`},
	} {
		header := http.Header{"Authorization": {"Bearer " + bearer}, "Content-Type": {"application/json"}}
		if status, body := forwarded(t, admin, "PUT", admin.Endpoint+step[0], step[1], header); status >= 300 {
			t.Fatalf("%s: %d %s", step[0], status, body)
		}
	}
}

// enroll enrolls an agent that trusts roots.
func enroll(t *testing.T, admin *client.Client, resource, server, roots string) agent.Credential {
	t.Helper()
	token, err := admin.EnrollmentToken(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	c, err := agent.Enroll(t.Context(), agent.Enrollment{Server: server, Roots: roots, Token: token, Resource: resource})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantToken runs an agent with a credential until it has a token.
func wantToken(t *testing.T, c agent.Credential) {
	t.Helper()
	a, err := agent.Open(t.Context(), agent.ServerConfig{
		Enroll:    func(context.Context) (agent.Credential, error) { return c, nil },
		Endpoints: []agent.EndpointConfig{{Flavour: "imds", Listen: "127.0.0.1:0", Unlimited: true}}, Log: quiet(t).Logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Start()
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = a.Shutdown(ctx)
	}()
	until(t, a.URLs()[0], http.StatusOK)
}
