package httpx

import (
	"fmt"
	"maps"
	"strconv"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts requests by API, operation and status. All values of these labels come from code, so no
// client can make a new series.
type Metrics struct {
	inFlight prometheus.Gauge
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	known    atomic.Pointer[map[labels]series] // the series that were looked up so far; replaced, never changed
}

// NewMetrics registers the metrics of requests.
func NewMetrics(reg prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "midas_http_requests_in_flight",
			Help: "Requests being served.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "midas_http_requests_total",
			Help: "Requests served, by API, operation and status.",
		}, []string{"api", "operation", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "midas_http_request_duration_seconds",
			Help:    "Time from a request's headers to the end of its answer, by API and operation.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"api", "operation"}),
	}
	m.known.Store(&map[labels]series{})
	for _, c := range []prometheus.Collector{m.inFlight, m.requests, m.duration} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register request metrics: %w", err)
		}
	}
	return m, nil
}

// labels are the label values of a series.
type labels struct {
	api, operation string
	status         int
}

// series are the metrics with the same labels.
type series struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func (m *Metrics) observe(ev *Event) {
	of := m.of(labels{ev.API, ev.Operation, ev.Status})
	of.requests.Inc()
	of.duration.Observe(ev.Duration.Seconds())
}

// of finds a series by its labels. It takes no lock: there are few series, so of copies the map for each new
// one.
func (m *Metrics) of(k labels) series {
	for {
		known := m.known.Load()
		if found, ok := (*known)[k]; ok {
			return found
		}
		more := maps.Clone(*known)
		more[k] = series{
			requests: m.requests.WithLabelValues(k.api, k.operation, strconv.Itoa(k.status)),
			duration: m.duration.WithLabelValues(k.api, k.operation),
		}
		if m.known.CompareAndSwap(known, &more) {
			return more[k]
		}
	}
}
