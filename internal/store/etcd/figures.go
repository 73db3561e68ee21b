//go:build cluster

package etcd

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// figures counts what metrics show.
type figures struct {
	failures atomic.Uint64 // writes that failed, other than for conflicts
	streams  atomic.Uint64 // ends of watches that were begun again
	gaps     atomic.Uint64 // feeds that ended because commits were lost
}

// Collectors returns the metrics of the engine.
func (e *Engine) Collectors() []prometheus.Collector {
	gauge := func(name, help string, get func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_store_etcd_" + name, Help: help}, func() float64 { return float64(get()) })
	}
	counter := func(name, help string, get func() uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "midas_store_etcd_" + name, Help: help}, func() float64 { return float64(get()) })
	}
	return []prometheus.Collector{
		gauge("members_healthy", "Members of etcd that answer and know a leader.", e.members.healthy.Load),
		gauge("database_bytes", "The size of the biggest member's database.", e.members.database.Load),
		gauge("quota_bytes", "The quota of the database; 0 if etcd is older than 3.6.", e.members.quota.Load),
		gauge("no_space", "1 while etcd has its alarm NOSPACE.", func() int64 {
			if e.pressure.full.Load() {
				return 1
			}
			return 0
		}),
		counter("watch_streams_ended_total", "Watches that ended or stopped, and were begun again.", e.figures.streams.Load),
		counter("feed_gaps_total", "Feeds that ended because they had lost commits.", e.figures.gaps.Load),
	}
}
