package midas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"midas/internal/agent"
	"midas/internal/arm"
	"midas/internal/fleet"
	"midas/internal/host"
)

// hostsVersion is the api-version of Midas.Hosts.
const hostsVersion = "2026-11-01"

// errNoResource says that there is nothing whose host one could be.
var errNoResource = errors.New("there is no such resource")

// Invite asks the server, as the administrator, for a token with which one machine can be enrolled as
// a host of a resource.
func (c *Client) Invite(ctx context.Context, resource string) (host.Secret, error) {
	id, err := arm.ParseID(resource)
	if err != nil || !id.IsResource() {
		return "", fmt.Errorf("%q is not the id of a resource, as /subscriptions/.../providers/... is", resource)
	}
	bearer, err := c.Token(ctx, "https://management.azure.com")
	if err != nil {
		return "", err
	}
	path := url.URL{Path: id.String() + "/providers/" + string(fleet.Type) + "/default/enroll"}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+path.EscapedPath()+"?api-version="+hostsVersion, http.NoBody)
	if err != nil {
		return "", fmt.Errorf("invite a host: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("invite a host: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Token host.Secret `json:"token"`
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("invite a host: the answer, %s, is not JSON: %w", resp.Status, err)
	}
	switch {
	case resp.StatusCode == http.StatusOK:
		return answer.Token, nil
	case resp.StatusCode == http.StatusNotFound:
		return "", fmt.Errorf("invite a host: %w: %s", errNoResource, answer.Error.Message)
	}
	return "", fmt.Errorf("invite a host: %s: %s", answer.Error.Code, answer.Error.Message)
}

// StartAgent runs an agent for a resource in this process, enrolled by the administrator, on free ports
// of this machine. On Linux it serves the processes of this user and of root only; elsewhere the
// flavours without a secret, such as imds, serve every user of the machine.
func (c *Client) StartAgent(ctx context.Context, resource string, cfg AgentConfig) (*Agent, error) {
	enroll := func(ctx context.Context) (agent.Credential, error) {
		token, err := c.Invite(ctx, resource)
		if errors.Is(err, errNoResource) {
			return agent.Credential{}, errors.Join(host.ErrRevoked, err)
		}
		if err != nil {
			return agent.Credential{}, err
		}
		roots, err := os.ReadFile(c.CAFile) // each time, because it may be issued anew
		if err != nil {
			return agent.Credential{}, fmt.Errorf("read the local CA: %w", err)
		}
		return agent.Enroll(ctx, agent.Enrolment{Server: c.Endpoint, Roots: string(roots), Token: token, Resource: resource})
	}
	// A first invitation is asked for at once, and thrown away, so that what is wrong is known now.
	if _, err := c.Invite(ctx, resource); err != nil {
		return nil, err
	}
	cfg.enroll, cfg.ownUser = enroll, true
	return StartAgent(ctx, cfg)
}
