//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"midas/midastest"
)

// TestDecisionsPage runs the commands of docs/decisions.md.
func TestDecisionsPage(t *testing.T) {
	need(t, "bash", "curl", "jq")
	page, err := os.ReadFile(filepath.Join("..", "docs", "decisions.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindSubmatch(page)
	if block == nil {
		t.Fatal("the page has no commands")
	}
	srv := midastest.Start(t)
	shell := exec.CommandContext(t.Context(), "bash", "-c", "set -euo pipefail\n"+string(block[1]))
	shell.Env = append(os.Environ(), "MIDAS_ENDPOINT="+srv.Endpoint, "MIDAS_SUBSCRIPTION_ID="+srv.SubscriptionID, "MIDAS_CA="+srv.CAFile,
		"TOKEN="+srv.Token(t, midastest.Management), "no_proxy=*")
	shell.Stderr = os.Stderr
	out, err := shell.Output()
	const want = "Microsoft.KeyVault/vaults/write Allowed\nMicrosoft.KeyVault/vaults/secrets/getSecret/action NotAllowed\n"
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}
