package midas

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/store/pebble"
)

// registerFigures adds the metrics of the installation and of this replica, on which the alert rules in
// packaging/observability rest. They are read when they are asked for, so they exist from the start.
func (s *Server) registerFigures() error {
	all := []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "midas_build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": Version()}},
			func() float64 { return 1 }),
		figure("midas_ready", "1 if /readyz succeeds.", func() float64 { return truth(s.health.Ready(context.Background())) }),
		figure("midas_replicas", "Live replicas of the store that this one knows of, with itself.", func() float64 { return float64(s.services.replicas.Size()) }),
		figure("midas_background_lease_held", "1 if this replica does the background work.", func() float64 { return truth(s.services.lease.Held()) }),
		figure("midas_retention_paused", "1 while nothing is deleted by age, because the clock may be wrong.", func() float64 { return truth(!s.services.retention.Allows(s.clock.Now())) }),
		figure("midas_signing_keys", "Signing keys that are stored.", func() float64 { return float64(s.services.keys.Len()) }),
		figure("midas_signing_key_end_timestamp_seconds", "When the newest signing key ends to sign; in the past if keys are not rotated. 0: keys are not rotated by age.",
			func() float64 { return seconds(s.services.keys.End()) }),
		figure("midas_agents_waiting", "Resources whose agents wait for changes at this replica.", func() float64 { return float64(s.services.fleet.Waiting()) }),
		figure("midas_last_backup_timestamp_seconds", "When this replica wrote its last complete backup since its start; 0: none.",
			func() float64 { return float64(s.services.lastBackup.Load()) }),
		figure("midas_data_free_bytes", "Free bytes of the file system of the data folder.", func() float64 { free, _, _ := pebble.Space(s.cfg.Data); return float64(free) }),
		figure("midas_data_size_bytes", "Bytes of the file system of the data folder.", func() float64 { _, size, _ := pebble.Space(s.cfg.Data); return float64(size) }),
	}
	for _, c := range all {
		if err := s.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

func figure(name, help string, get func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, get)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// seconds returns a time in seconds since 1970; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.Unix())
}
