//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestChart runs the tests of e2e/kubernetes, a module of its own: Helm's engine renders the chart, the API types of
// Kubernetes and of the Prometheus operator decode the objects strictly, and Midas reads its configuration.
func TestChart(t *testing.T) {
	chart := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", ".")
	chart.Dir, chart.Env = "kubernetes", append(os.Environ(), "MIDAS="+midasBinary(t))
	out, err := chart.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestManifestsAreTheRenderedChart") {
		t.Fatalf("%v\n%s", err, out)
	}
}
