package midas

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"

	"midas/internal/api/hosts"
	"midas/internal/api/httpx"
	"midas/internal/ops"
	"midas/internal/serve"
)

// AgentsConfig is how agents reach the server, if a reverse proxy ends TLS on the way to Config.Origin: agents
// authenticate by their certificates, so their TLS must end at the server.
type AgentsConfig struct {
	// Listen is the address, HOST:PORT, of a listener that serves agents only. Its certificate is always one of the
	// server's own authority. Default: agents use the address of Config.Listen
	Listen string `yaml:"listen"`

	// Origin is the URL under which agents reach this server, such as that of its listener for agents, or of a load
	// balancer that passes TLS through. Its host is added to the names of the server. Default: https:// with the host
	// and port of Listen; the host of Config.Origin if Listen has none
	Origin string `yaml:"origin"`
}

// agentsOrigin is the URL at which agents reach this replica. main is the HOST:PORT of the main listener.
func (c Config) agentsOrigin(main, origin string) string {
	if c.Agents.Origin != "" {
		return c.Agents.Origin
	}
	listen := c.Agents.Listen
	_, port, _ := net.SplitHostPort(listen) // check has returned its error
	if listen == "" || port == "0" {
		return "https://" + main
	}
	host := hostOf(listen)
	if u, err := url.Parse(origin); err == nil && host == "" {
		host = u.Hostname()
	}
	return "https://" + net.JoinHostPort(host, port)
}

// addAgents opens the listener for agents.
func (s *Server) addAgents(ctx context.Context, config *tls.Config) error {
	if s.cfg.Agents.Listen == "" {
		return nil
	}
	listeners, err := s.listen(ctx, "agents.listen", s.cfg.Agents.Listen)
	if err != nil {
		return err
	}
	s.agentsURL = "https://" + serve.Authority(s.cfg.Agents.Listen, listeners[0])
	for i, l := range listeners {
		listeners[i] = s.limit.Listener(l)
	}
	server := s.http(agentsRouter{s.hosts, s.health}, nil)
	server.TLSConfig = config
	server.RegisterOnShutdown(s.hosts.Drain)
	s.serving = append(s.serving, serve.Server{Server: server, Listeners: listeners, TLS: true})
	return nil
}

// AgentsURL is the URL of the listener for agents; empty if there is none.
func (s *Server) AgentsURL() string { return s.agentsURL }

// agentsRouter serves what agents need, and probes. A request may have any host name: it has no effect, and agents are
// no browsers.
type agentsRouter struct {
	hosts  *hosts.Handler
	health *ops.Health
}

// Serve implements httpx.Handler.
func (a agentsRouter) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	if a.health.Serves(r.URL.Path) {
		a.health.Serve(w, r, ev)
		return
	}
	a.hosts.Serve(w, r, ev)
}
