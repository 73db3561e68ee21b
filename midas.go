package midas

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"midas/internal/agent"
	"midas/internal/api/hosts"
	"midas/internal/api/httpx"
	"midas/internal/clock"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/keypair"
	"midas/internal/ops"
	"midas/internal/rbac"
	"midas/internal/rolelint"
	"midas/internal/serve"
	"midas/internal/store"
)

// Server is a running server. It accepts requests as soon as Start has returned it.
type Server struct {
	cfg       Config
	engines   []engine // that Config.Store can name
	log       *slog.Logger
	services  *services
	health    *ops.Health
	clock     *clock.Clock                // the machine's, outside of laboratories
	captured  atomic.Pointer[store.State] // of a laboratory
	capturing sync.Mutex                  // held while captured is made or used
	registry  *prometheus.Registry
	metrics   *httpx.Metrics
	tracing   *httpx.Tracing // nil without traces
	answers   *httpx.Budget  // bounds the memory of answers, for all listeners together
	files     serve.Plan
	limit     *serve.Limit // of connections, for all listeners except the control socket and Config.Ops
	caFile    string
	pair      *keypair.Pair // of Config.TLS; nil without one
	hosts     *hosts.Handler
	main      http.Handler // of the main listener
	address   string       // HOST:PORT of the main listener, as this machine reaches it
	opsURL    string
	agentsURL string
	warnings  []string
	agents    []*agent.Server // of Config.Metadata

	resources serve.Resources
	serving   []serve.Server // in the order in which they end, after the agents
	group     *errgroup.Group
	failed    context.Context // done when a listener, a job or an agent has failed
	stop      context.CancelFunc
	ended     chan struct{} // closed when the first Shutdown or Close has finished
	ending    chan struct{} // holds one token; the caller that receives it ends the server
	err       error         // the result of Shutdown and Close; read only after ended is closed
}

// Admin is the content of admin.json in the data folder: the server's endpoint and the administrator's
// ids and credentials.
type Admin = datadir.Admin

// Start starts a server. When it returns without an error, the server accepts requests until Shutdown or
// Close, even if ctx ends before. An error names the setting, the file or the address that is wrong, so
// that a program can show it to its user.
func Start(ctx context.Context, cfg Config) (*Server, error) { return start(ctx, cfg, engines()) }

// start is Start with the engines that Config.Store can name.
func start(ctx context.Context, cfg Config, all []engine) (_ *Server, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(all); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s := &Server{engines: all, registry: prometheus.NewRegistry(), answers: httpx.NewBudget(httpx.DefaultAnswerBytes), ended: make(chan struct{}), ending: make(chan struct{}, 1)}
	s.ending <- struct{}{}
	if cfg.Logger == nil {
		logger, lines := serve.NewBufferedLogger(os.Stderr, serve.LogOptions(cfg.Log))
		cfg.Logger = logger
		s.resources.Add(lines) // first, so that it is closed last
	}
	s.cfg, s.log = cfg, cfg.Logger
	if cfg.Lab || cfg.MovableClock {
		s.clock = new(clock.Clock)
	}
	ctx = clock.With(ctx, s.clock) // for the jobs and agents
	defer func() {
		if err != nil {
			err = errors.Join(err, s.resources.Release())
		}
	}()
	if err := s.openTraces(); err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.applyState(ctx); err != nil {
		return nil, fmt.Errorf("declared state: %w", err)
	}
	if cfg.Lab && !s.services.store.shared() {
		if err := s.Capture(ctx); err != nil {
			return nil, fmt.Errorf("capture the state of the laboratory: %w", err)
		}
	}
	s.run(context.WithoutCancel(ctx))
	s.log.InfoContext(ctx, "serving", "endpoint", s.services.admin.Endpoint, "ops", s.opsURL, "data", cfg.Data, "store", storeName(cfg.Store), "lab", cfg.Lab)
	for _, w := range s.warnings {
		s.log.WarnContext(ctx, w)
	}
	return s, nil
}

// listen opens the listeners of an address and adds them to the resources that Shutdown and Close release.
func (s *Server) listen(ctx context.Context, setting, address string) ([]net.Listener, error) {
	listeners, err := serve.Listen(ctx, setting, address)
	for _, l := range listeners {
		s.resources.Add(l)
	}
	return listeners, err
}

// names are the host names of the server's certificate.
func (s *Server) names(origin string) []string { return s.cfg.names(origin) }

// names are the host names and IP addresses under which clients reach the server, besides localhost.
func (c *Config) names(origin string) []string {
	names := c.Names
	for _, listen := range []string{c.Listen, c.Agents.Listen} {
		if host := hostOf(listen); host != "" {
			names = append(names[:len(names):len(names)], host)
		}
	}
	for _, origin := range []string{origin, c.Agents.Origin} {
		if u, err := url.Parse(origin); err == nil && u.Hostname() != "" {
			names = append(names[:len(names):len(names)], u.Hostname())
		}
	}
	return names
}

func (s *Server) register(st *opened) (err error) {
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := s.registry.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	if s.metrics, err = httpx.NewMetrics(s.registry); err != nil {
		return err
	}
	for _, c := range s.tracer().Collectors() {
		if err := s.registry.Register(c); err != nil {
			return fmt.Errorf("register trace metrics: %w", err)
		}
	}
	return st.register(s.registry)
}

func (s *Server) addMain(dir *datadir.Dir, listeners []net.Listener, config *tls.Config, names []string) error {
	handler, err := s.services.router(s.health, names, s.registry)
	if err != nil {
		return err
	}
	handler.cluster, handler.lab, s.hosts = s.joinHandler(dir), s.laboratory(), handler.hosts
	proxies, err := httpx.ParseProxies(s.cfg.TrustedProxies)
	if err != nil {
		return fmt.Errorf("trustedProxies: %w", err)
	}
	s.limit.Shared = proxies.Trusts
	for i, l := range listeners {
		listeners[i] = s.limit.Listener(l)
	}
	server := s.http(handler, proxies)
	s.main = server.Handler
	server.TLSConfig = config
	server.RegisterOnShutdown(s.hosts.Drain)
	s.serving = append(s.serving, serve.Server{Server: server, Listeners: listeners, TLS: true})
	return nil
}

// addControl opens the socket for commands. Without it, midas dump and midas keys do not work while the
// server runs.
func (s *Server) addControl(dir *datadir.Dir) error {
	l, err := control.Listen(dir.Path(datadir.SocketFile))
	if errors.Is(err, control.ErrPathTooLong) {
		s.warnings = append(s.warnings, "midas dump, midas keys rotate and midas keys withdraw will not work while this server runs: "+err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	s.resources.Add(l)
	s.serving = append(s.serving, serve.Server{Server: s.commands(), Listeners: []net.Listener{l}})
	return nil
}

// opsConnections bounds the connections of the ops listener on each of its addresses.
const opsConnections = 32

// addOps opens the ops listener. It is called last, so that health and metrics are served until everything
// else has ended.
func (s *Server) addOps(ctx context.Context) error {
	if s.cfg.Ops == "" {
		return nil
	}
	listeners, err := s.listen(ctx, "ops", s.cfg.Ops)
	if err != nil {
		return err
	}
	for i, l := range listeners { // it has files of its own, so that probes are answered when others are not
		listeners[i] = serve.NewLimit(opsConnections, opsConnections, s.log).Listener(l)
	}
	s.opsURL = "http://" + serve.Authority(s.cfg.Ops, listeners[0])
	s.serving = append(s.serving, serve.Server{Server: s.http(ops.Handler(s.health, s.registry), nil), Listeners: listeners})
	return nil
}

// http makes the HTTP server of a handler.
func (s *Server) http(handler httpx.Handler, proxies httpx.Proxies) *http.Server {
	return httpx.Server(httpx.New(handler, s.options(proxies)), s.log)
}

// commands is the server of the control socket. Its requests have files that are larger than those of other APIs.
func (s *Server) commands() *http.Server {
	options := s.options(nil)
	options.MaxBody = rbac.MaxDefinitionFile
	var commands control.Commands = online{s.services, s.address}
	if m := s.member(); m != nil {
		commands = withCluster{online{s.services, s.address}, m}
	}
	answer := control.Handler(commands)
	return httpx.Server(httpx.New(httpx.HandlerFunc(func(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
		if s.health.Serves(r.URL.Path) {
			s.health.Serve(w, r, ev)
			return
		}
		answer.Serve(w, r, ev)
	}), options), s.log)
}

// options are the HTTP options of a listener. Only proxies are believed about the addresses of clients.
func (s *Server) options(proxies httpx.Proxies) httpx.Options {
	var inject func(*http.Request, *httpx.Event) error
	if s.services.lab != nil {
		inject = s.services.lab.inject
	}
	return httpx.Options{
		Inject: inject,
		Log:    s.log, Metrics: s.metrics, NewID: uuid.NewString, StrictSubdomains: s.cfg.HSTSSubdomains,
		Answers: s.answers, Proxies: proxies, Tracing: s.tracing,
		Now: time.Now, // the machine's clock measures durations, even if the services have another clock
	}
}

// run starts everything that runs until Shutdown or Close.
func (s *Server) run(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.group, s.failed = errgroup.WithContext(ctx)
	for _, job := range s.services.background() {
		s.group.Go(func() error { return job(s.failed) })
	}
	if m := s.member(); m != nil {
		s.group.Go(func() error { return watchMember(s.failed, m) })
	}
	if s.pair != nil {
		s.group.Go(func() error { return s.pair.Run(s.failed) })
	}
	for _, server := range s.serving {
		server.Start(s.group)
	}
	for _, a := range s.agents {
		a.Start()
		s.group.Go(func() error {
			<-a.Done()
			return a.Err()
		})
	}
}

// online runs commands in the running server.
type online struct {
	*services
	address string
}

func (o online) Address(context.Context) (string, error) { return o.address, nil }

func (o online) Dump(ctx context.Context, w io.Writer) error {
	if err := o.resources.RemoveSecrets(ctx, o.compute.AdoptUserData); err != nil { // again, because it may have failed at the start
		return err
	}
	return writeDump(ctx, o.dir, o.store, w)
}

func (o online) LintRoles(ctx context.Context, w io.Writer) error {
	return lintRoles(ctx, o.store, &rolelint.Service{RBAC: o.rbac, Directory: o.directory}, w)
}

func (o online) ImportRoles(ctx context.Context, file io.Reader) ([]byte, error) {
	return importRoles(ctx, o.rbac, file)
}

func (o online) ExportKeys(_ context.Context, w io.Writer) error { return o.keys.Export(w) }

func (o online) RotateKeys(ctx context.Context) (string, error) { return o.keys.Rotate(ctx) }

func (o online) WithdrawKey(ctx context.Context, kid string) error { return withdraw(ctx, o.keys, kid) }

// Admin is the administrator of the server. Its Endpoint is the URL under which clients reach the server.
func (s *Server) Admin() Admin { return s.services.admin }

// CAFile is the path of the CA certificate that clients must trust.
func (s *Server) CAFile() string { return s.caFile }

// OpsURL is the URL of the ops listener; empty if there is none.
func (s *Server) OpsURL() string { return s.opsURL }

// Warning is a warning about the configuration or the data folder for the operator; usually it is empty.
func (s *Server) Warning() string { return strings.Join(s.warnings, "; ") }

// Done is closed when the server has failed or has ended. Shutdown then returns the reason.
func (s *Server) Done() <-chan struct{} { return s.failed.Done() }
