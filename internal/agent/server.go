package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"midas/internal/api/httpx"
	"midas/internal/api/metadata"
	"midas/internal/host"
	"midas/internal/serve"
)

// ServerConfig is the configuration of a Server. Log is required, and one of State and Enroll.
type ServerConfig struct {
	// State is the folder of a machine that EnrollMachine has enrolled.
	State string

	// Servers are the servers to ask, instead of those with which the machine was enrolled; see ParseServers. They belong
	// to the same installation.
	Servers []string

	// Enroll gets a credential for a server without a State folder. See Config.
	Enroll func(context.Context) (Credential, error)

	// Endpoints are the endpoints to serve. Default: the metadata service of an Azure machine, imds; none if there
	// are TokenFiles.
	Endpoints []EndpointConfig

	// TokenFiles are files to keep fresh tokens in. Their folders must exist.
	TokenFiles []TokenFile

	// TokenFileGroup is the group that may read the files, a name or a number. Default: only the owner of the
	// process may.
	TokenFileGroup string

	// Names are host names under which programs reach the endpoints, besides localhost and the
	// addresses of this machine.
	Names []string

	// ArcFolder is the folder for the challenges of the flavour arc. It is created if it does not exist.
	// Clients only accept the default, /var/opt/azcmagent/tokens.
	ArcFolder string

	// Listener wraps each listener, for example to limit its connections. Nil leaves them as they are.
	Listener func(net.Listener) net.Listener

	// HTTP are the HTTP options of the endpoints. Log, Now, NewID and Metrics have defaults.
	HTTP httpx.Options

	// Now is the clock of the agent; nil means time.Now. Renewals also follow the clock of the context of Open.
	Now func() time.Time

	Log *slog.Logger
}

// Variable is an environment variable.
type Variable = metadata.Variable

// Server serves the metadata endpoints of one resource: Open takes the listeners, Start serves them, and
// Shutdown or Close ends it.
type Server struct {
	cfg       ServerConfig
	agent     *Agent
	secret    host.Secret // for the flavours that require one in a header
	serving   []serve.Server
	files     tokenFiles
	resources serve.Resources
	urls      []string
	env       []Variable
	group     *errgroup.Group
	ctx       context.Context // of all goroutines; its cause is the first failure
	stop      context.CancelFunc
}

// Open reads the host's credential, if it does not enroll itself, and opens the listeners. Requests wait
// until Start.
func Open(ctx context.Context, cfg ServerConfig) (_ *Server, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.resources.Release())
		}
	}()
	if s.files, err = newTokenFiles(ctx, cfg); err != nil {
		return nil, err
	}
	if err := s.openAgent(); err != nil {
		return nil, err
	}
	for _, e := range cfg.Endpoints {
		if err := s.add(ctx, e); err != nil {
			return nil, err
		}
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.group, s.ctx = errgroup.WithContext(running)
	return s, nil
}

func (c ServerConfig) withDefaults() (ServerConfig, error) {
	if len(c.Endpoints) == 0 && len(c.TokenFiles) == 0 {
		c.Endpoints = []EndpointConfig{{Flavour: string(metadata.FlavourIMDS)}}
	}
	if c.ArcFolder == "" {
		c.ArcFolder = metadata.ArcFolder
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTP.Log == nil {
		c.HTTP.Log = c.Log
	}
	if c.HTTP.Now == nil {
		c.HTTP.Now = time.Now
	}
	if c.HTTP.NewID == nil {
		c.HTTP.NewID = uuid.NewString
	}
	if c.Listener == nil {
		c.Listener = func(l net.Listener) net.Listener { return l }
	}
	var err error
	if c.HTTP.Metrics == nil {
		c.HTTP.Metrics, err = httpx.NewMetrics(prometheus.NewRegistry())
	}
	return c, err
}

// openAgent reads the host's credential and the secret for the flavours that require one.
func (s *Server) openAgent() (err error) {
	cfg := Config{Enroll: s.cfg.Enroll, Now: s.cfg.Now, Log: s.cfg.Log}
	if s.cfg.Enroll != nil {
		s.secret, err = newSecret()
	} else {
		file := filepath.Join(s.cfg.State, credentialFile)
		cfg.Credential, err = ReadCredential(file)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("this machine is not enrolled: there is no %s; run \"midas agent enroll\" first", file)
		}
		enrolled := cfg.Credential.Server
		cfg.Save = func(c Credential) error {
			c.Server = enrolled // without ServerConfig.Servers, which is for this start
			return c.Write(file)
		}
		if err == nil {
			err = s.openServers(&cfg)
		}
		if err == nil {
			s.secret, err = readSecret(s.cfg.State)
		}
	}
	if err != nil {
		return err
	}
	s.agent, err = New(cfg)
	return err
}

// openServers sets which servers the agent asks.
func (s *Server) openServers(cfg *Config) error {
	if len(s.cfg.Servers) > 0 {
		servers, err := ParseServers(s.cfg.Servers...)
		if err != nil {
			return err
		}
		cfg.Credential.Server = strings.Join(servers, ",")
	}
	all, err := readServers(s.cfg.State)
	if err != nil {
		s.cfg.Log.Warn("the agent has to learn the addresses of the server again", "cause", err)
	}
	cfg.Learnt = all
	cfg.SaveLearnt = func(all learnt) error { return writeServers(s.cfg.State, all) }
	return nil
}

// Start serves until Shutdown or Close, or until something fails. It is called once.
func (s *Server) Start() {
	s.group.Go(func() error { return s.agent.Run(s.ctx) })
	for _, f := range s.files.files {
		s.group.Go(func() error {
			s.files.keep(s.ctx, s.agent, f)
			return nil
		})
	}
	for _, e := range s.serving {
		e.Start(s.group)
	}
}

// StartOver makes the agent ask the server for everything again.
func (s *Server) StartOver() { s.agent.StartOver() }

// Environment returns the variables that make programs use the server's endpoints.
func (s *Server) Environment() []Variable { return s.env }

// URLs are the URLs of the endpoints, in the order of ServerConfig.Endpoints.
func (s *Server) URLs() []string { return s.urls }

// Done is closed when the server has failed or has ended. Err then returns the failure, or nil.
func (s *Server) Done() <-chan struct{} { return s.ctx.Done() }

// Err is the failure that ended the server; nil after Shutdown or Close, and while it runs.
func (s *Server) Err() error {
	if err := context.Cause(s.ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Shutdown accepts no more connections, waits for the requests in flight until ctx ends, and then closes
// the server.
func (s *Server) Shutdown(ctx context.Context) error {
	var errs []error
	for _, e := range s.serving {
		errs = append(errs, e.Shutdown(ctx))
	}
	return errors.Join(append(errs, s.Close())...)
}

// Close ends the server at once. A second call does nothing.
func (s *Server) Close() error {
	var errs []error
	for _, e := range s.serving {
		errs = append(errs, e.Server.Close())
	}
	s.stop()
	_ = s.group.Wait() // Err returns its error
	return errors.Join(append(errs, s.resources.Release())...)
}
