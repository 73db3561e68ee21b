package bindingproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"midas/internal/api/httpx"
	"midas/internal/serve"
)

// Limits of connections: of all pods together, and of one address. Many pods may share the address of a node.
const (
	connections     = 1024
	connectionsEach = 256
)

// receiveBuffer is how much of bodies that nobody reads yet an HTTP/2 connection keeps, in bytes. It is the least that
// HTTP/2 allows.
const receiveBuffer = 64 << 10

// Server is a running proxy: Open reads the files and takes the listeners, Start serves, and Shutdown or Close ends
// it.
type Server struct {
	serving   serve.Server
	resources serve.Resources
	url       string
	group     *errgroup.Group
	ctx       context.Context // its cause is the first failure
	stop      context.CancelFunc
}

// Open reads all files of the configuration, so that a mistake is an error of the start, and opens the listeners.
// Requests wait until Start.
func Open(ctx context.Context, cfg Config) (_ *Server, err error) {
	if cfg, err = cfg.withDefaults(); err != nil {
		return nil, err
	}
	s := &Server{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.resources.Release())
		}
	}()
	keys, err := openKeyPair(cfg.Certificate, cfg.Key, cfg.Log)
	if err != nil {
		return nil, err
	}
	h, err := s.newHandler(cfg, keys)
	if err != nil {
		return nil, err
	}
	if err := s.listen(ctx, cfg, h); err != nil {
		return nil, err
	}
	s.serving.TLS = true
	s.serving.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: keys.Certificate, NextProtos: []string{"h2", "http/1.1"}}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.group, s.ctx = errgroup.WithContext(running)
	return s, nil
}

// newHandler makes the handler and reads the files that it will need.
func (s *Server) newHandler(cfg Config, keys *keyPair) (*handler, error) {
	authority, err := newUpstream("Midas", cfg.Authority, cfg.AuthorityCA, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	api, err := newUpstream("the Kubernetes API server", cfg.APIServer, cfg.APIServerCA, cfg.Timeout)
	if err != nil {
		return nil, err
	}
	s.resources.Add(authority, api)
	h := &handler{
		reviewer: &reviewer{server: api, token: cfg.APIServerToken}, exchanger: &exchanger{server: authority, assertion: cfg.Assertion},
		tenants: cfg.Tenants, timeout: cfg.Timeout, log: cfg.Log, own: keys.names,
	}
	h.reading.Slots, h.reading.Waiting = readers, waiting
	h.queue.Slots, h.queue.Waiting = slots, waiting
	h.ready = func() error {
		_, first := readToken(cfg.Assertion)
		_, second := readToken(cfg.APIServerToken)
		return errors.Join(keys.valid(time.Now()), first, second)
	}
	if err := h.ready(); err != nil {
		return nil, fmt.Errorf("the proxy cannot start: %w", err)
	}
	return h, nil
}

// listen opens the listeners and makes the HTTP server.
func (s *Server) listen(ctx context.Context, cfg Config, h *handler) error {
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		return err
	}
	listeners, err := serve.Listen(ctx, "listen", cfg.Listen)
	if err != nil {
		return err
	}
	limit := serve.NewLimit(connections, connectionsEach, cfg.Log)
	for i, l := range listeners {
		s.resources.Add(l)
		listeners[i] = limit.Listener(l)
	}
	s.url = "https://" + serve.Authority(cfg.Listen, listeners[0])
	s.serving.Listeners = listeners
	s.serving.Server = httpx.Server(httpx.New(h, httpx.Options{
		Log: cfg.Log, Metrics: metrics, Now: time.Now, NewID: uuid.NewString, MaxBody: maxBody,
	}), cfg.Log)
	s.serving.HTTP2.MaxReceiveBufferPerConnection, s.serving.HTTP2.MaxReceiveBufferPerStream = receiveBuffer, receiveBuffer
	return nil
}

// Start serves until Shutdown or Close, or until something fails. It is called once.
func (s *Server) Start() { s.serving.Start(s.group) }

// URL is the URL of the proxy on this machine.
func (s *Server) URL() string { return s.url }

// Done is closed when the server has failed or has ended. Err then returns the failure, or nil.
func (s *Server) Done() <-chan struct{} { return s.ctx.Done() }

// Err is the failure that ended the server; nil after Shutdown or Close, and while it runs.
func (s *Server) Err() error {
	if err := context.Cause(s.ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Shutdown accepts no more connections, waits for the requests in flight until ctx ends, and then closes the server.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.serving.Shutdown(ctx)
	return errors.Join(err, s.Close())
}

// Close ends the server at once. A second call does nothing.
func (s *Server) Close() error {
	err := s.serving.Server.Close()
	s.stop()
	_ = s.group.Wait() // Err returns its error
	return errors.Join(err, s.resources.Release())
}
