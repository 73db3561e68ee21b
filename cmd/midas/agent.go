package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"midas/internal/agent"
	"midas/internal/api/httpx"
	"midas/internal/client"
	"midas/internal/host"
	"midas/internal/serve"
)

type agentCommand struct {
	Enroll          agentEnrollCommand          `cmd:"" help:"Enroll this machine as a host of a resource."`
	Run             agentRunCommand             `cmd:"" help:"Serve tokens to the programs of this machine."`
	EnrollmentToken agentEnrollmentTokenCommand `cmd:"" aliases:"invite" help:"Create a token with which one machine can be enrolled."`
}

// Help is shown by midas agent --help.
func (agentCommand) Help() string {
	return `Programs on a machine that is enrolled as a resource get tokens of the resource's identities, as they do on a machine in Azure.

Examples:

  midas agent enrollment-token --resource "$ID"                     # on the server
  midas agent enroll --server https://midas.example:8443 --token -   # on the machine, once
  midas agent run                                                    # on the machine, as a service`
}

// stateFlag names the agent's folder.
type stateFlag struct {
	State string `help:"Folder of the agent. Default: ${default}" placeholder:"DIR" default:"${agentState}" env:"MIDAS_AGENT_STATE"`
}

type agentEnrollCommand struct {
	stateFlag
	Server   []string `required:"" help:"URL of the server, https://HOST[:PORT]; repeatable, for several replicas: the first one is preferred." placeholder:"URL" env:"MIDAS_SERVER"`
	Resource string   `help:"Id of the resource that this machine acts for. Default: the resource of the token" placeholder:"ID"`
	Token    string   `help:"Enrollment token; - reads it from standard input, where other users cannot see it." placeholder:"TOKEN" required:"" env:"MIDAS_ENROLLMENT_TOKEN,MIDAS_ENROLMENT_TOKEN"`
	CA       string   `name:"ca" help:"File with the CA certificates to trust for the server. Default: the CA certificates of the system" placeholder:"FILE" env:"MIDAS_CA"`
}

// Help is shown by midas agent enroll --help.
func (agentEnrollCommand) Help() string {
	return `A caller with the right Midas.Hosts/hosts/enroll/action on the resource creates the token, with "midas agent enrollment-token" or with

  POST {resource}/providers/Midas.Hosts/hosts/default/enroll?api-version=2026-11-01

The token can be used once, within 15 minutes. The machine creates a private key, which never leaves it, and gets a certificate, which "midas agent run" renews.

Examples:

  midas agent enroll --server https://midas.example:8443 --ca ca.pem --token -   # paste the token, then Ctrl-D
  MIDAS_ENROLLMENT_TOKEN=TOKEN midas agent enroll --server https://midas.example:8443`
}

// maxToken bounds the size of a token on standard input, in bytes.
const maxToken = 4 << 10

// Run enrolls this machine.
func (c *agentEnrollCommand) Run(ctx context.Context, to streams) error {
	token := c.Token
	if token == "-" {
		data, err := io.ReadAll(io.LimitReader(os.Stdin, maxToken))
		if err != nil {
			return fmt.Errorf("read the token: %w", err)
		}
		token = strings.TrimSpace(string(data))
	}
	e := agent.Enrollment{Server: strings.Join(c.Server, ","), Resource: c.Resource, Token: host.Secret(token)}
	if c.CA != "" {
		roots, err := os.ReadFile(c.CA)
		if err != nil {
			return fmt.Errorf("read the CA certificates: %w", err)
		}
		e.Roots = string(roots)
	}
	resource, err := agent.EnrollMachine(ctx, e, c.State)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(to.out, "enrolled %s\n", resource)
	return err
}

type agentEnrollmentTokenCommand struct {
	dataFlag
	Resource string `required:"" help:"Id of the resource that the machine will act for." placeholder:"ID"`
}

// Help is shown by midas agent enrollment-token --help.
func (agentEnrollmentTokenCommand) Help() string {
	return `The resource must exist, and may be of any type. The token can be used once, within 15 minutes, with "midas agent enroll" on the machine.

Example:

  midas agent enrollment-token --resource "/subscriptions/$SUB/resourceGroups/rg1/providers/Microsoft.HybridCompute/machines/web1"`
}

// Run prints an enrollment token.
func (c *agentEnrollmentTokenCommand) Run(ctx context.Context, to streams) error {
	admin, err := client.Open(c.Data)
	if err != nil {
		return err
	}
	token, err := admin.EnrollmentToken(ctx, c.Resource)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(to.out, string(token))
	return err
}

type agentRunCommand struct {
	stateFlag
	Server         []string `help:"URL of a server to ask, instead of those of the enrollment: another address of the same installation; repeatable. Default: those of the enrollment" placeholder:"URL" env:"MIDAS_SERVER"`
	Flavour        []string `help:"Protocol to serve, and its address: imds, app-service, arc, cloud-shell, service-fabric, machine-learning or google; repeatable. Default: imds, or none with --token-file. Default addresses: 169.254.169.254:80 for imds, 127.0.0.1 for the others" placeholder:"NAME[=HOST:PORT]" sep:"none"`
	Name           []string `help:"Host name under which programs reach the agent, besides localhost and addresses; repeatable." placeholder:"HOST"`
	ArcFolder      string   `help:"Folder for the challenges of arc. Clients only accept the default: /var/opt/azcmagent/tokens" placeholder:"DIR"`
	GoogleAudience string   `help:"Audience of the access tokens of the flavour google, whose requests name none. Default: it gives identity tokens only" placeholder:"URI"`
	TokenFile      []string `help:"File to keep a fresh token in, for an audience, and for one identity if the resource has several: its client id or resource id; repeatable." placeholder:"AUDIENCE[,IDENTITY]=PATH" sep:"none"`
	TokenFileGroup string   `help:"Group that may read the files, by name or number. Default: only this user may" placeholder:"GROUP"`
	Unlimited      bool     `help:"Lift the limit of 20 token requests a second, which Azure has."`
}

// Help is shown by midas agent run --help.
func (agentRunCommand) Help() string {
	return `Prints, as shell commands, the variables that make programs use the agent, and then a line "ready". Programs that know only Azure's own address need

  ip addr add 169.254.169.254/32 dev lo

and the agent on port 80 of that address, which is the default of imds. Everyone who can reach the agent gets tokens, so only addresses that other machines cannot reach are safe.

A token file contains a token and nothing else. It is replaced as a whole before the token expires, and removed when the identity is taken from the machine, disabled or deleted.

OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of OpenTelemetry turn on traces.

Examples:

  midas agent run
  midas agent run --server https://m1.example:8443 --server https://m2.example:8443
  midas agent run --flavour app-service=127.0.0.1:8171 --flavour arc
  midas agent run --flavour google --google-audience https://vault.azure.net
  midas agent run --token-file sts.amazonaws.com=/run/midas/aws --token-file api://AzureADTokenExchange,$CLIENT_ID=/run/midas/azure`
}

// Run serves until a signal comes.
func (c *agentRunCommand) Run(ctx context.Context, to streams) (err error) {
	log, lines := serve.NewBufferedLogger(os.Stderr, serve.LogOptions{})
	defer func() { err = errors.Join(err, lines.Close()) }()
	tracing, log, err := traces("midas-agent", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tracing.Close()) }()
	cfg := agent.ServerConfig{State: c.State, Servers: c.Server, Names: c.Name, ArcFolder: c.ArcFolder, TokenFileGroup: c.TokenFileGroup, Log: log}
	if tracing != nil {
		cfg.HTTP.Tracing = &httpx.Tracing{Tracer: tracing}
	}
	for _, f := range c.Flavour {
		name, listen, _ := strings.Cut(f, "=")
		cfg.Endpoints = append(cfg.Endpoints, agent.EndpointConfig{Flavour: name, Listen: listen, Unlimited: c.Unlimited, Audience: c.GoogleAudience})
	}
	for _, text := range c.TokenFile {
		f, err := agent.ParseTokenFile(text)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		cfg.TokenFiles = append(cfg.TokenFiles, f)
	}
	ctx, restore := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer restore()
	defer runtime.KeepAlive(tune())
	hangups := newHangups(restore)
	defer hangups.stop()
	server, err := agent.Open(ctx, cfg)
	if err != nil {
		return err
	}
	hangups.serve(func() { log.InfoContext(ctx, "a hangup changes nothing: the agent has no files to read again") })
	server.Start()
	for _, v := range server.Environment() {
		fmt.Fprintf(to.out, "export %s=%s\n", v.Name, quote(v.Value))
	}
	if _, err := fmt.Fprintf(to.out, "ready %s\n", strings.Join(server.URLs(), " ")); err != nil {
		return errors.Join(fmt.Errorf("print the ready line: %w", err), server.Close())
	}
	select {
	case <-ctx.Done():
	case <-server.Done():
	}
	restore() // from here on a second signal ends the process at once
	return end(server)
}

// grace is how long an agent waits for requests in flight when it ends.
const grace = 2 * time.Second

// end ends an agent. Its error includes an earlier failure of the agent. It is not an error if requests
// are cut off.
func end(server *agent.Server) error {
	failed := server.Err()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(failed, err)
	}
	return failed
}
