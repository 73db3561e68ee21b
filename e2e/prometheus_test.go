//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

// TestAlerts runs the tests of e2e/prometheus, a module of its own: Prometheus' own engine evaluates the alert rules.
func TestAlerts(t *testing.T) {
	rules := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", ".")
	rules.Dir = "prometheus"
	out, err := rules.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestAlertRules/MidasNoReplicaReady") {
		t.Fatalf("%v\n%s", err, out)
	}
}
