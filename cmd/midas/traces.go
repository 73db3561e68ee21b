package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/google/uuid"

	"midas"
	"midas/internal/trace"
)

// traces makes the tracer of a command that has no configuration file, by the variables of OpenTelemetry. Without them
// the tracer is nil. The logger of the result names traces.
func traces(service string, log *slog.Logger) (*trace.Tracer, *slog.Logger, error) {
	cfg, err := trace.FromEnvironment(os.Getenv)
	if err != nil {
		return nil, log, fmt.Errorf("traces: %w", err)
	}
	if !cfg.NamesService() {
		cfg.Service = service
	}
	cfg.Version, cfg.Instance = midas.Version(), uuid.NewString()
	tracer, err := trace.New(cfg, log)
	if err != nil {
		return nil, log, fmt.Errorf("traces: %w", err)
	}
	if tracer != nil {
		log = trace.Logger(log)
	}
	return tracer, log, nil
}
