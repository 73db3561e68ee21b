package midas

import (
	"cmp"

	"github.com/google/uuid"

	"midas/internal/api/httpx"
	"midas/internal/trace"
)

// TracesConfig configures the traces of requests and background jobs, which the server sends to a collector by OTLP
// over HTTP. They are off without an Endpoint.
type TracesConfig struct {
	// Endpoint is the URL of the collector, such as http://localhost:4318. "/v1/traces" is added if it has no path.
	Endpoint string `yaml:"endpoint"`

	// Headers is a file with headers for the collector, such as its credentials: a line "Name: value" each. It is
	// read again for each request. Headers need https, or a collector on this machine.
	Headers string `yaml:"headers"`

	// CA is a PEM file with the certificate authorities that the collector's certificate must come from. Default:
	// the authorities that the system trusts
	CA string `yaml:"ca"`

	// Ratio is the part of the traces that are recorded, from 0 to 1. Default: 1
	Ratio *float64 `yaml:"ratio"`

	// Trust are the programs whose traces are continued, and recorded if they say so, whatever Ratio is: addresses,
	// networks in CIDR notation, and "hosts" for the agents of enrolled hosts. The traceparent header of all others
	// becomes a link. Default: none
	Trust []string `yaml:"trust"`

	// Environment returns the variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT, which hold if
	// Endpoint is empty. Nil: there are none. Programs pass os.Getenv.
	Environment func(name string) string `yaml:"-"`
}

// config returns the configuration of the tracer.
func (c TracesConfig) config() (cfg trace.Config, err error) {
	if c.Endpoint == "" && c.Environment != nil {
		if trace.TurnedOff(c.Environment) {
			return trace.Config{}, nil // also if the file has settings for the endpoint of a variable
		}
		cfg, err = trace.FromEnvironment(c.Environment)
	}
	if cfg.Endpoint != "" { // the settings of the file count more than the variables
		cfg.HeadersFile, cfg.CA, cfg.Ratio = c.Headers, cmp.Or(c.CA, cfg.CA), cmp.Or(c.Ratio, cfg.Ratio)
	} else {
		cfg = trace.Config{Endpoint: c.Endpoint, HeadersFile: c.Headers, CA: c.CA, Ratio: c.Ratio}
	}
	cfg.Version = Version()
	return cfg, err
}

func (c TracesConfig) check() error {
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if err := cfg.Check(); err != nil {
		return err
	}
	_, _, err = httpx.ParseSenders(c.Trust)
	return err
}

// openTraces makes the tracer of the server, and makes its log name traces. Without an endpoint it does nothing.
func (s *Server) openTraces() error {
	cfg, err := s.cfg.Traces.config()
	if err != nil {
		return err
	}
	cfg.Instance = uuid.NewString()
	tracer, err := trace.New(cfg, s.log)
	if err != nil || tracer == nil {
		return err
	}
	s.resources.Add(tracer)
	s.tracing = &httpx.Tracing{Tracer: tracer}
	s.log = trace.Logger(s.log)
	s.cfg.Logger = s.log
	s.tracing.Senders, s.tracing.Hosts, err = httpx.ParseSenders(s.cfg.Traces.Trust)
	return err
}

// tracer returns the tracer of the server, or nil.
func (s *Server) tracer() *trace.Tracer {
	if s.tracing == nil {
		return nil
	}
	return s.tracing.Tracer
}
