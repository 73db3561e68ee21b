//go:build e2e

package e2e

import (
	"os/exec"
	"testing"
)

// TestGRPCServicesVerifyTokens compiles the interceptor of docs/verify.md with the real gRPC and calls it.
func TestGRPCServicesVerifyTokens(t *testing.T) {
	need(t, "go")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "./...")
	cmd.Dir = "grpc"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
