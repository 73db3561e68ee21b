package httpx

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests. Its labels are the face, the operation and the status, all of which
// come from code: no client can make a new series.
type Metrics struct {
	inFlight prometheus.Gauge
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics registers the metrics of requests.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "midas_http_requests_in_flight",
			Help: "Requests that are being served.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "midas_http_requests_total",
			Help: "Requests served, by face, operation and status.",
		}, []string{"face", "operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "midas_http_request_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer, by face and operation.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"face", "operation"}),
	}
	for _, c := range []prometheus.Collector{m.inFlight, m.requests, m.duration} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register request metrics: %w", err)
		}
	}
	return m, nil
}

func (m *Metrics) observe(ev *Event) {
	m.requests.WithLabelValues(ev.Face, ev.Operation, strconv.Itoa(ev.Status)).Inc()
	m.duration.WithLabelValues(ev.Face, ev.Operation).Observe(ev.Duration.Seconds())
}
