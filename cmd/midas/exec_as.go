package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"midas/cmd/midas/internal/peer"
	"midas/internal/agent"
	"midas/internal/client"
	"midas/internal/host"
	"midas/internal/serve"
)

// workload is the agent of the resource that --as names. Without --as it is the zero value.
type workload struct {
	agent     *agent.Server
	metadata  string // HOST:PORT of the metadata service
	variables []variable
	log       io.Closer
}

// agent starts the agent of the resource that --as names, on free ports of this machine. On Linux it
// serves only the processes of this user and of root; elsewhere the flavours without a secret, such as
// imds, serve every user of the machine.
func (c *execCommand) agent(ctx context.Context, admin *client.Client) (workload, error) {
	if c.As == "" {
		return workload{}, nil
	}
	// The first enrollment token is not used. Requesting it reports errors before the command starts.
	if _, err := admin.EnrollmentToken(ctx, c.As); err != nil {
		return workload{}, err
	}
	// The log has only warnings, because the command writes to the same standard error.
	log, lines := serve.NewBufferedLogger(os.Stderr, serve.LogOptions{Level: slog.LevelWarn})
	refused := func(reason error) { log.Debug("connection refused", "cause", reason) }
	a, err := agent.Open(ctx, agent.ServerConfig{
		Enroll: func(ctx context.Context) (agent.Credential, error) { return enroll(ctx, admin, c.As) },
		Endpoints: []agent.EndpointConfig{
			{Flavour: "imds", Listen: "127.0.0.1:0"}, {Flavour: "app-service", Listen: "127.0.0.1:0"},
		},
		Listener: func(l net.Listener) net.Listener { return peer.OwnUser(l, refused) },
		Log:      log,
	})
	if err != nil {
		return workload{}, errors.Join(err, lines.Close())
	}
	a.Start()
	w := workload{agent: a, metadata: strings.TrimPrefix(a.URLs()[0], "http://"), log: lines}
	for _, v := range a.Environment() {
		w.variables = append(w.variables, variable{v.Name, v.Value})
	}
	return w, nil
}

// enroll enrolls an agent of this process as a host of a resource, with the administrator's rights.
func enroll(ctx context.Context, admin *client.Client, resource string) (agent.Credential, error) {
	token, err := admin.EnrollmentToken(ctx, resource)
	if errors.Is(err, client.ErrNotFound) {
		return agent.Credential{}, errors.Join(host.ErrRevoked, err)
	}
	if err != nil {
		return agent.Credential{}, err
	}
	roots, err := os.ReadFile(admin.CAFile) // read each time, because the CA may have been renewed
	if err != nil {
		return agent.Credential{}, fmt.Errorf("read the local CA: %w", err)
	}
	// Not the endpoint, because TLS may end at a reverse proxy on the way there.
	server, err := admin.Server(ctx)
	if err != nil {
		return agent.Credential{}, err
	}
	return agent.Enroll(ctx, agent.Enrollment{Server: "https://" + server, Roots: string(roots), Token: token, Resource: resource})
}

func (w workload) close() error {
	if w.agent == nil {
		return nil
	}
	return errors.Join(end(w.agent), w.log.Close())
}

// withoutAdministrator removes the variables with the administrator's ids and credentials, so that a
// workload gets only those of the server. Without --as it removes nothing.
func (w workload) withoutAdministrator(all []variable) []variable {
	if w.agent == nil {
		return all
	}
	return slices.DeleteFunc(all, func(v variable) bool {
		switch v.name {
		case "MIDAS_ENDPOINT", "MIDAS_TENANT_ID", "MIDAS_SUBSCRIPTION_ID", "MIDAS_CA":
			return false
		}
		return true
	})
}
