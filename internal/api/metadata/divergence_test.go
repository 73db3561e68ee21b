package metadata_test

import (
	"testing"

	"midas/internal/api/metadata"
)

// Midas has no scheduled events and no load balancers; see docs/azure-divergences.md.
func TestScheduledEventsAndLoadBalancersAreNotFound(t *testing.T) {
	h := serve(t, metadata.NewIMDS(config(&source{instance: machine()})))
	for _, path := range []string{"/metadata/scheduledevents?api-version=2020-07-01", "/metadata/loadbalancer?api-version=2020-10-01"} {
		if w := call("GET "+path+flag).do(t, h); w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}
