package midas

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"midas/internal/agent"
	"midas/internal/api/httpx"
	"midas/internal/api/metadata"
	"midas/internal/atomicfile"
	"midas/internal/host"
	"midas/internal/peer"
)

// The files in an agent's folder.
const (
	credentialFile = "host.json"
	secretFile     = "secret"
	fabricFile     = "service-fabric.pem"
)

// AgentConfig says how an agent runs on a host that has been enrolled.
type AgentConfig struct {
	// State is the folder that Enroll has made. Default: /var/lib/midas-agent
	State string

	// Endpoints are what the agent serves. Default: the metadata service of an Azure machine, imds.
	Endpoints []EndpointConfig

	// Names are host names under which programs reach the endpoints, besides localhost and the
	// addresses of this machine.
	Names []string

	// ArcFolder is where the challenges of the flavour arc are put. Clients insist on the default,
	// /var/opt/azcmagent/tokens, which is made if it is not there.
	ArcFolder string

	Log    LogConfig
	Logger *slog.Logger // takes the log's lines instead

	// enroll makes an agent that enrolls by itself and keeps nothing in a folder.
	enroll func(context.Context) (agent.Credential, error)
	// ownUser serves the processes of this user only, where the system can tell them apart.
	ownUser bool
}

// EndpointConfig is one endpoint of an agent.
type EndpointConfig struct {
	// Flavour is the protocol: imds, app-service, arc, cloud-shell, service-fabric or machine-learning.
	Flavour string

	// Listen is where it is served, HOST:PORT. Default: where the flavour is on Azure.
	Listen string

	// Unlimited lifts the limit of 20 token requests a second, which is Azure's.
	Unlimited bool
}

// Variable is one of the environment.
type Variable = metadata.Variable

// DefaultAgentState is the folder of an agent.
const DefaultAgentState = "/var/lib/midas-agent"

// DefaultAgentListen is where a flavour is served if nothing else is said; empty if there is no such
// flavour.
func DefaultAgentListen(flavour string) string {
	return map[metadata.Flavour]string{
		metadata.FlavourIMDS: "169.254.169.254:80", metadata.FlavourAppService: "127.0.0.1:41741", metadata.FlavourArc: "127.0.0.1:40342",
		metadata.FlavourCloudShell: "127.0.0.1:50342", metadata.FlavourServiceFabric: "127.0.0.1:2377",
		metadata.FlavourMachineLearning: "127.0.0.1:46808",
	}[metadata.Flavour(flavour)]
}

// Secret is a text that must not be logged or printed.
type Secret = host.Secret

// Enrolment makes this machine a host.
type Enrolment struct {
	Server   string // https://HOST[:PORT]
	Resource string // what the machine is to be; empty takes what the token is for
	Token    Secret // as the action Midas.Hosts/hosts/enroll gives it
	CAFile   string // whom to trust as the server, in PEM; empty for those whom the system trusts
	State    string // folder for the credential, which is made; empty for DefaultAgentState
}

// Enroll gets the machine's credential and keeps it in the folder. It gives the id of the resource.
func Enroll(ctx context.Context, e Enrolment) (resource string, err error) {
	set(&e.State, DefaultAgentState)
	roots := ""
	if e.CAFile != "" {
		data, err := os.ReadFile(e.CAFile)
		if err != nil {
			return "", fmt.Errorf("read whom to trust: %w", err)
		}
		roots = string(data)
	}
	// A token is good once, so what can fail before it is used does.
	if err := os.MkdirAll(e.State, 0o700); err != nil {
		return "", fmt.Errorf("make the agent's folder: %w", err)
	}
	c, err := agent.Enroll(ctx, agent.Enrolment{Server: e.Server, Roots: roots, Token: e.Token, Resource: e.Resource})
	if err != nil {
		return "", err
	}
	return c.Resource, c.Write(filepath.Join(e.State, credentialFile))
}

// Agent serves the workloads of one host. It does so until Close.
type Agent struct {
	cfg       AgentConfig
	log       *slog.Logger
	agent     *agent.Agent
	secret    host.Secret
	serving   []serving
	resources []io.Closer
	urls      []string
	env       []Variable
	group     *errgroup.Group
	failed    context.Context
	stop      context.CancelFunc
}

// StartAgent starts an agent. When it returns without an error, programs can ask.
func StartAgent(ctx context.Context, cfg AgentConfig) (_ *Agent, err error) {
	set(&cfg.State, DefaultAgentState)
	set(&cfg.ArcFolder, metadata.ArcFolder)
	set(&cfg.Log.Format, "text")
	if len(cfg.Endpoints) == 0 {
		cfg.Endpoints = []EndpointConfig{{Flavour: string(metadata.FlavourIMDS)}}
	}
	a := &Agent{cfg: cfg, log: cfg.Logger}
	if a.log == nil {
		logger, lines := cfg.Log.server()
		a.log, a.resources = logger, append(a.resources, lines) // given back last
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, release(a.resources))
		}
	}()
	if err := a.open(); err != nil {
		return nil, err
	}
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return nil, err
	}
	for _, e := range cfg.Endpoints {
		if err := a.add(ctx, e, metrics); err != nil {
			return nil, err
		}
	}
	a.run(context.WithoutCancel(ctx))
	return a, nil
}

// open reads the host's credential and makes the secret that some flavours have.
func (a *Agent) open() (err error) {
	cfg := agent.Config{Enroll: a.cfg.enroll, Now: time.Now, Log: a.log}
	if a.cfg.enroll != nil {
		a.secret, err = newSecret()
	} else {
		file := filepath.Join(a.cfg.State, credentialFile)
		cfg.Credential, err = agent.ReadCredential(file)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("this machine is not enrolled: there is no %s; run \"midas agent enroll\" first", file)
		}
		cfg.Save = func(c agent.Credential) error { return c.Write(file) }
		if err == nil {
			a.secret, err = a.keptSecret()
		}
	}
	if err != nil {
		return err
	}
	a.agent, err = agent.New(cfg)
	return err
}

func newSecret() (host.Secret, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return host.Secret(base64.RawURLEncoding.EncodeToString(random)), nil
}

// keptSecret is the same after a restart, so that programs which run on can go on.
func (a *Agent) keptSecret() (host.Secret, error) {
	file := filepath.Join(a.cfg.State, secretFile)
	data, err := os.ReadFile(file)
	if err == nil && len(data) > 0 {
		return host.Secret(strings.TrimSpace(string(data))), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the secret for programs: %w", err)
	}
	secret, err := newSecret()
	if err != nil {
		return "", err
	}
	return secret, atomicfile.Write(file, []byte(secret), 0o600)
}

// add opens an endpoint.
func (a *Agent) add(ctx context.Context, e EndpointConfig, metrics *httpx.Metrics) error {
	set(&e.Listen, DefaultAgentListen(e.Flavour))
	if e.Listen == "" {
		return fmt.Errorf("there is no flavour %q", e.Flavour)
	}
	face, err := a.face(e)
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, "listen", e.Listen)
	for _, l := range listeners {
		a.resources = append(a.resources, l)
	}
	if err != nil {
		return err
	}
	if a.cfg.ownUser {
		for i, l := range listeners {
			listeners[i] = peer.OwnUser(l, a.refused)
		}
	}
	server := httpx.Server(httpx.New(face, httpx.Options{Log: a.log, Metrics: metrics, Now: time.Now, NewID: uuid.NewString}), a.log)
	s := serving{Server: server, listeners: listeners}
	scheme, thumbprint := "http", ""
	if e.Flavour == string(metadata.FlavourServiceFabric) {
		scheme, s.tls = "https", true
		if server.TLSConfig, thumbprint, err = a.fabricTLS(); err != nil {
			return err
		}
	}
	a.serving = append(a.serving, s)
	origin := scheme + "://" + authority(e.Listen, listeners[0])
	a.urls = append(a.urls, origin)
	a.env = append(a.env, metadata.Environment(metadata.Flavour(e.Flavour), origin, a.secret, thumbprint)...)
	return nil
}

// refused notes that somebody else has tried to get a token.
func (a *Agent) refused(reason error) { a.log.Debug("connection refused", "cause", reason) }

// face makes the endpoint's protocol.
func (a *Agent) face(e EndpointConfig) (*metadata.Endpoint, error) {
	limit := metadata.IdentityLimit()
	if e.Unlimited {
		limit = metadata.Limit{}
	}
	c := metadata.Config{
		Source: a.agent, Hosts: a.cfg.Names, Limit: limit, Now: time.Now, NewID: uuid.NewString, Interfaces: metadata.LocalInterfaces,
	}
	switch metadata.Flavour(e.Flavour) {
	case metadata.FlavourAppService:
		return metadata.NewAppService(c, a.secret), nil
	case metadata.FlavourArc:
		if err := os.MkdirAll(a.cfg.ArcFolder, 0o750); err != nil {
			return nil, fmt.Errorf("make the folder for challenges: %w", err)
		}
		return metadata.NewArc(c, a.cfg.ArcFolder), nil
	case metadata.FlavourCloudShell:
		return metadata.NewCloudShell(c), nil
	case metadata.FlavourServiceFabric:
		return metadata.NewServiceFabric(c, a.secret), nil
	case metadata.FlavourMachineLearning:
		return metadata.NewMachineLearning(c, a.secret), nil
	}
	return metadata.NewIMDS(c), nil
}

func (a *Agent) run(ctx context.Context) {
	ctx, a.stop = context.WithCancel(ctx)
	a.group, a.failed = errgroup.WithContext(ctx)
	a.group.Go(func() error { return a.agent.Run(a.failed) })
	for _, s := range a.serving {
		for _, l := range s.listeners {
			a.group.Go(func() error { return s.serve(l) })
		}
	}
}

// Environment is what makes the programs of this host choose the agent.
func (a *Agent) Environment() []Variable { return a.env }

// URLs are where the endpoints are, in the order of AgentConfig.
func (a *Agent) URLs() []string { return a.urls }

// Resource is whose host this is.
func (a *Agent) Resource() string { return a.agent.Current().Resource }

// Done is closed when the agent cannot go on.
func (a *Agent) Done() <-chan struct{} { return a.failed.Done() }

// Close ends the agent, once.
func (a *Agent) Close() error {
	var errs []error
	for _, s := range a.serving {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		if err := s.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, s.Server.Close())
		}
		cancel()
	}
	a.stop()
	return errors.Join(append(errs, a.group.Wait(), release(a.resources))...)
}
