package midas_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// defaultModules are the modules that `go run ./cmd/midas` downloads and compiles. What only clusters, packages or
// tests need is none of them.
var defaultModules = []string{
	"github.com/DataDog/zstd",
	"github.com/RaduBerinde/axisds",
	"github.com/RaduBerinde/btreemap",
	"github.com/alecthomas/kong",
	"github.com/beorn7/perks",
	"github.com/cespare/xxhash/v2",
	"github.com/cockroachdb/crlib",
	"github.com/cockroachdb/errors",
	"github.com/cockroachdb/logtags",
	"github.com/cockroachdb/pebble/v2",
	"github.com/cockroachdb/redact",
	"github.com/cockroachdb/swiss",
	"github.com/cockroachdb/tokenbucket",
	"github.com/getsentry/sentry-go",
	"github.com/go-jose/go-jose/v4",
	"github.com/gogo/protobuf",
	"github.com/golang/snappy",
	"github.com/google/uuid",
	"github.com/klauspost/compress",
	"github.com/kr/pretty",
	"github.com/kr/text",
	"github.com/minio/minlz",
	"github.com/munnerz/goautoneg",
	"github.com/pkg/errors",
	"github.com/prometheus/client_golang",
	"github.com/prometheus/client_model",
	"github.com/prometheus/common",
	"github.com/prometheus/procfs",
	"github.com/rogpeppe/go-internal",
	"github.com/smallstep/pkcs7",
	"go.yaml.in/yaml/v3",
	"golang.org/x/crypto",
	"golang.org/x/exp",
	"golang.org/x/sync",
	"golang.org/x/sys",
	"golang.org/x/text",
	"google.golang.org/protobuf",
}

// A module that the default build gains costs every newcomer time, so it is added here on purpose or not at all.
func TestTheDefaultBuildHasNoFurtherModules(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/midas", "./midastest").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	found := strings.Fields(string(out))
	slices.Sort(found)
	found = slices.Compact(found)
	found = slices.DeleteFunc(found, func(m string) bool { return m == "midas" })
	for _, m := range found {
		if !slices.Contains(defaultModules, m) {
			t.Errorf("the default build has the new module %s", m)
		}
	}
	for _, m := range defaultModules {
		if !slices.Contains(found, m) && m != "github.com/DataDog/zstd" { // only with a C compiler
			t.Errorf("the default build no longer has %s: remove it from the list", m)
		}
	}
}
