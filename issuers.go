package midas

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/federation"
)

// newIssuerFetches makes the counter of requests to outside issuers. Its label comes from a short list, not from the
// issuers.
func newIssuerFetches() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "midas_issuer_fetches_total",
		Help: "Fetches of the keys of issuers that federated credentials name, by outcome: ok, unreachable or document.",
	}, []string{"outcome"})
}

// openIssuers makes the trust in outside issuers. It reads their files, so a mistake in the settings ends the start.
func (r *services) openIssuers() (err error) {
	r.issuerFetches = newIssuerFetches()
	for _, outcome := range []string{"ok", string(federation.Unreachable), string(federation.Document)} { // a rate is known from the first one on
		r.issuerFetches.WithLabelValues(outcome)
	}
	settings := make([]federation.IssuerSettings, len(r.cfg.Issuers))
	for i, c := range r.cfg.Issuers {
		settings[i] = federation.IssuerSettings(c)
	}
	r.issuers, err = federation.NewIssuers(federation.IssuersConfig{
		Settings: settings, Now: r.now, Log: r.log, Tracer: r.tracer,
		OnFetch: func(outcome string) { r.issuerFetches.WithLabelValues(outcome).Inc() },
	})
	if err != nil {
		return fmt.Errorf("issuers: %w", err)
	}
	return nil
}
