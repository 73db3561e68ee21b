//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestRevocationPageWorks runs the commands of docs/revocation.md.
func TestRevocationPageWorks(t *testing.T) {
	need(t, "curl", "sh", "base64")
	w := world(t)
	text, err := os.ReadFile("../docs/revocation.md")
	if err != nil {
		t.Fatal(err)
	}
	var answers []string
	for i, block := range strings.Split(string(text), "\n```") {
		code, is := strings.CutPrefix(block, "sh\n")
		if i%2 == 0 || !is {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", code)
		cmd.Env = append(os.Environ(), "MIDAS_DATA="+w.data, "MIDAS_ENDPOINT="+w.Endpoint, "MIDAS_TENANT_ID="+w.TenantID,
			"MIDAS_CLIENT_ID="+w.ClientID, "MIDAS_CLIENT_SECRET="+w.ClientSecret, "ACCESS_TOKEN="+w.midas(t, "token", "--resource", w.ClientID))
		out, err := cmd.Output()
		if len(out) == 0 {
			t.Errorf("%s: %v", code, err)
		}
		answers = append(answers, string(out))
	}
	if len(answers) != 2 || !strings.Contains(answers[0], `"revoked":[`) || !strings.Contains(answers[1], `"active":true`) {
		t.Errorf("answers: %q", answers)
	}
}
