package hosts_test

import (
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/hosts"
)

func TestSignInsAreCountedByIdentityUpToABound(t *testing.T) {
	s, err := hosts.NewSignIns(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]bool{}
	for i := range 5000 {
		labels[s.Label(strconv.Itoa(i))] = true
	}
	if len(labels) != 1001 || !labels["0"] || !labels["other"] || s.Label("0") != "0" || s.Label("4999") != "other" {
		t.Errorf("5000 identities have %d labels, want 1001", len(labels))
	}
}
