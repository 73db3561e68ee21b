//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestJavaGoesThroughTheProxy runs a Java program under midas exec. With the proxy's credentials it reaches the
// server and trusts it; without them it is refused by the proxy and does not reach the real Azure.
func TestJavaGoesThroughTheProxy(t *testing.T) {
	need(t, "java", "javac")
	w := world(t)
	program, err := filepath.Abs("testdata/java/Fetch.java")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := w.command(ctx, "java", program, "https://management.azure.com/metadata/endpoints?api-version=2015-01-01")
	cmd.Env = append(cmd.Env, "JDK_JAVA_OPTIONS=-Xss1m")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || string(out) != "407 200 407 200\n" {
		t.Errorf("%v %s%s", err, out, &errs)
	}
	if !strings.Contains(errs.String(), "JDK_JAVA_OPTIONS: -Xss1m @") || strings.Contains(errs.String(), "proxyPassword") {
		t.Errorf("java printed %s", &errs)
	}
}
