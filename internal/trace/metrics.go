package trace

import "github.com/prometheus/client_golang/prometheus"

// Collectors returns the metrics of a Tracer. Those of a nil Tracer stay 0.
func (t *Tracer) Collectors() []prometheus.Collector {
	of := &figures{}
	if t != nil {
		of = &t.figures
	}
	all := []prometheus.Collector{prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "midas_trace_spans_exported_total", Help: "Spans that the collector has taken.",
	}, func() float64 { return float64(of.exported.Load()) })}
	for reason, get := range map[string]func() uint64{
		"queue":    of.full.Load,     // the queue was full, or the process ended
		"export":   of.failed.Load,   // the collector could not be reached, or refused
		"rejected": of.rejected.Load, // the collector took the batch without them
		"limit":    of.limit.Load,    // the request had too many
	} {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "midas_trace_spans_dropped_total", Help: "Spans that were lost, by reason: queue, export, rejected or limit.",
			ConstLabels: prometheus.Labels{"reason": reason},
		}, func() float64 { return float64(get()) }))
	}
	return all
}
