//go:build cluster

package midas_test

import (
	"net"
	"slices"
	"testing"
)

// The metrics that only shared stores have are there from the start of an embedded cluster.
func TestMetricsOfAClusterExistFromTheStart(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Ops = "", "127.0.0.1:0"
	cfg.Cluster.Init = true
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Cluster.Advertise = l.Addr().String()
	_ = l.Close()
	s := start(t, cfg)
	_, _ = metricsOf(t, s)
	names, _ := metricsOf(t, s)
	for _, file := range observability {
		for _, name := range namedMetrics(t, file) {
			if name != ofOwnPair && !slices.Contains(names, name) {
				t.Errorf("%s names %s, which a member does not have", file, name)
			}
		}
	}
}
