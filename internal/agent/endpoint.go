package agent

import (
	"context"
	"fmt"
	"os"

	"midas/internal/api/httpx"
	"midas/internal/api/metadata"
	"midas/internal/serve"
)

// EndpointConfig is one endpoint of a Server.
type EndpointConfig struct {
	// Flavour is the protocol: imds, app-service, arc, cloud-shell, service-fabric, machine-learning or google.
	Flavour string

	// Listen is the address of the endpoint, HOST:PORT. Default: the flavour's address on Azure.
	Listen string

	// Audience is the audience of the access tokens of google, whose requests name none. If it is empty, google
	// gives identity tokens only.
	Audience string

	// Setting is the name of the setting for Listen, for error texts. Default: listen
	Setting string

	// Unlimited lifts the limit of 20 token requests a second, which Azure has.
	Unlimited bool
}

// defaultListen is the address of a flavour on Azure, and a free one for google; empty if there is no such flavour.
func defaultListen(flavour string) string {
	return map[metadata.Flavour]string{
		metadata.FlavourIMDS: "169.254.169.254:80", metadata.FlavourAppService: "127.0.0.1:41741", metadata.FlavourArc: "127.0.0.1:40342",
		metadata.FlavourCloudShell: "127.0.0.1:50342", metadata.FlavourServiceFabric: "127.0.0.1:2377",
		metadata.FlavourMachineLearning: "127.0.0.1:46808", metadata.FlavourGoogle: "127.0.0.1:41742",
	}[metadata.Flavour(flavour)]
}

func (e EndpointConfig) withDefaults() (EndpointConfig, error) {
	address := defaultListen(e.Flavour)
	if address == "" {
		return e, fmt.Errorf("there is no flavour %q", e.Flavour)
	}
	if e.Listen == "" {
		e.Listen = address
	}
	if e.Setting == "" {
		e.Setting = "listen"
	}
	return e, nil
}

// add opens the listeners of an endpoint.
func (s *Server) add(ctx context.Context, e EndpointConfig) error {
	e, err := e.withDefaults()
	if err != nil {
		return err
	}
	endpoint, err := s.endpoint(e)
	if err != nil {
		return err
	}
	listeners, err := serve.Listen(ctx, e.Setting, e.Listen)
	for i, l := range listeners {
		s.resources.Add(l)
		listeners[i] = s.cfg.Listener(l)
	}
	if err != nil {
		return err
	}
	server := serve.Server{Server: httpx.Server(httpx.New(endpoint, s.cfg.HTTP), s.cfg.HTTP.Log), Listeners: listeners}
	scheme, thumbprint := "http", ""
	if e.Flavour == string(metadata.FlavourServiceFabric) {
		scheme, server.TLS = "https", true
		if server.TLSConfig, thumbprint, err = s.fabricTLS(); err != nil {
			return err
		}
	}
	s.serving = append(s.serving, server)
	origin := scheme + "://" + serve.Authority(e.Listen, listeners[0])
	s.urls = append(s.urls, origin)
	s.env = append(s.env, metadata.Environment(metadata.Flavour(e.Flavour), origin, s.secret, thumbprint)...)
	return nil
}

// endpoint makes the handler of a flavour.
func (s *Server) endpoint(e EndpointConfig) (*metadata.Endpoint, error) {
	limit := metadata.IdentityLimit()
	if e.Unlimited {
		limit = metadata.Limit{}
	}
	c := metadata.Config{
		Source: s.agent, Hosts: s.cfg.Names, Limit: limit, Now: s.cfg.Now, NewID: s.cfg.HTTP.NewID, Interfaces: metadata.LocalInterfaces,
	}
	switch metadata.Flavour(e.Flavour) {
	case metadata.FlavourAppService:
		return metadata.NewAppService(c, s.secret), nil
	case metadata.FlavourArc:
		if err := os.MkdirAll(s.cfg.ArcFolder, 0o750); err != nil {
			return nil, fmt.Errorf("make the folder for challenges: %w", err)
		}
		return metadata.NewArc(c, s.cfg.ArcFolder), nil
	case metadata.FlavourCloudShell:
		return metadata.NewCloudShell(c), nil
	case metadata.FlavourServiceFabric:
		return metadata.NewServiceFabric(c, s.secret), nil
	case metadata.FlavourGoogle:
		return metadata.NewGoogle(c, e.Audience), nil
	case metadata.FlavourMachineLearning:
		return metadata.NewMachineLearning(c, s.secret), nil
	}
	return metadata.NewIMDS(c), nil
}
