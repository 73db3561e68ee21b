package midas_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers lists the packages of this module that each package may import, not counting its tests. A package
// imports packages of its own layer and of the layers before it. Packages of the layer "api" do not import
// each other, so that each API can later run as its own process. A package without a row fails the test.
var layers = []layer{
	{"foundation", map[string]string{ // each knows nothing of what is served
		"internal/arm":                   "",
		"internal/azure":                 "internal/arm",
		"internal/atomicfile":            "",
		"internal/clock":                 "internal/trace",
		"internal/federation/expression": "",
		"internal/host":                  "internal/arm",
		"internal/odata":                 "internal/arm",
		"internal/rbac/action":           "internal/arm",
		"internal/rbac/condition":        "internal/arm internal/rbac/action",
		"internal/outbound":              "",
		"internal/password":              "",
		"internal/recent":                "",
		"internal/seal":                  "",
		"internal/serve":                 "",
		"internal/throttle":              "",
		"internal/trace":                 "internal/arm internal/host",
		"internal/datadir":               "internal/atomicfile internal/seal",
		"internal/localca":               "internal/arm internal/atomicfile internal/clock",
		"internal/store":                 "internal/clock internal/recent internal/trace",
		"internal/keypair":               "internal/clock",
		"internal/installation":          "internal/localca internal/seal internal/store",
		"internal/store/pebble":          "internal/store",
		"internal/backup":                "internal/store",
		"internal/store/etcd":            "internal/host internal/store",
		"internal/store/postgres":        "internal/store",
		"internal/replica":               "internal/clock internal/store",
		"internal/retention":             "internal/clock internal/store",
		"internal/token":                 "internal/arm internal/clock internal/recent internal/retention internal/seal internal/store internal/trace",
	}},
	{"domain", map[string]string{ // each holds state and the rules about it
		"internal/activity":     "internal/arm internal/clock internal/odata internal/retention internal/store internal/throttle",
		"internal/directory":    "internal/arm internal/clock internal/federation/expression internal/store internal/throttle",
		"internal/federation":   "internal/arm internal/clock internal/federation/expression internal/outbound internal/throttle internal/token internal/trace",
		"internal/grant":        "internal/arm internal/clock internal/retention internal/seal internal/store internal/throttle",
		"internal/rbac":         "internal/activity internal/arm internal/odata internal/rbac/action internal/rbac/condition internal/store",
		"internal/resource":     "internal/activity internal/arm internal/clock internal/odata internal/retention internal/seal internal/store",
		"internal/subscription": "internal/activity internal/arm internal/hierarchy internal/resource internal/store",
		"internal/identity":     "internal/activity internal/arm internal/directory internal/federation/expression internal/host internal/resource internal/store",
		"internal/compute":      "internal/activity internal/arm internal/identity internal/resource internal/store",
		"internal/explain":      "internal/arm internal/directory internal/lock internal/rbac internal/rbac/condition internal/resource internal/store internal/subscription",
		"internal/rolelint":     "internal/arm internal/directory internal/identity internal/rbac internal/rbac/action internal/rbac/condition internal/resource internal/store",
		"internal/fleet":        "internal/activity internal/arm internal/clock internal/directory internal/host internal/identity internal/localca internal/resource internal/retention internal/store",
		"internal/bootstrap":    "internal/activity internal/arm internal/datadir internal/directory internal/password internal/rbac internal/resource internal/seal internal/store internal/throttle",
		"internal/hierarchy":    "internal/activity internal/arm internal/recent internal/resource internal/store",
		"internal/lock":         "internal/activity internal/arm internal/odata internal/store",
		"internal/revocation":   "internal/arm internal/clock internal/directory internal/retention internal/store internal/token",
		"internal/check":        "internal/arm internal/directory internal/fleet internal/hierarchy internal/identity internal/installation internal/lock internal/rbac internal/replica internal/resource internal/store internal/subscription internal/token",
		"internal/decision":     "internal/arm internal/directory internal/rbac internal/rbac/condition internal/store",
	}},
	{"http", map[string]string{ // each is shared by APIs
		"internal/api/httpx":           "internal/arm internal/azure internal/trace",
		"internal/api/bearer":          "internal/arm internal/directory internal/store internal/token",
		"internal/api/management/wire": "internal/activity internal/arm internal/compute internal/directory internal/explain internal/federation internal/fleet internal/hierarchy internal/host internal/identity internal/lock internal/odata internal/rbac internal/resource internal/subscription",
		"internal/api/signin":          "internal/arm internal/throttle",
		"internal/control":             "internal/api/httpx",
		"internal/ops":                 "internal/api/httpx",
	}},
	{"api", map[string]string{ // each stands for one of Azure's hosts
		"internal/api/home":        "internal/api/httpx",
		"internal/api/graph":       "internal/api/bearer internal/api/httpx internal/arm internal/azure internal/clock internal/directory internal/odata internal/seal internal/store internal/throttle internal/token",
		"internal/api/hosts":       "internal/api/httpx internal/api/signin internal/arm internal/directory internal/federation internal/fleet internal/host internal/store internal/token",
		"internal/api/login":       "internal/api/bearer internal/api/httpx internal/api/signin internal/arm internal/azure internal/clock internal/directory internal/federation internal/grant internal/revocation internal/store internal/throttle internal/token",
		"internal/api/management":  "internal/activity internal/api/bearer internal/api/httpx internal/api/management/wire internal/arm internal/azure internal/compute internal/decision internal/directory internal/explain internal/federation internal/fleet internal/hierarchy internal/identity internal/lock internal/odata internal/rbac internal/rbac/condition internal/resource internal/seal internal/store internal/subscription internal/token",
		"internal/api/metadata":    "internal/api/httpx internal/arm internal/clock internal/host",
		"internal/lab":             "internal/api/bearer internal/api/httpx internal/arm internal/azure internal/clock internal/datadir internal/directory internal/store",
		"internal/api/checkaccess": "internal/api/bearer internal/api/httpx internal/arm internal/azure internal/decision internal/directory internal/rbac internal/resource internal/seal internal/store",
	}},
	{"program", map[string]string{ // each runs APIs or asks them
		"internal/agent":                "internal/api/httpx internal/api/metadata internal/arm internal/atomicfile internal/clock internal/host internal/localca internal/recent internal/serve internal/trace",
		"internal/client":               "internal/arm internal/azure internal/control internal/datadir internal/host internal/localca",
		"internal/cluster":              "internal/api/httpx internal/atomicfile internal/host internal/localca internal/throttle",
		"internal/bindingproxy":         "internal/api/httpx internal/arm internal/serve internal/throttle",
		"internal/state":                "internal/arm internal/atomicfile internal/compute internal/identity internal/resource",
		"midas":                         "internal/activity internal/agent internal/api/checkaccess internal/api/graph internal/api/home internal/api/hosts internal/api/httpx internal/api/login internal/api/management internal/api/metadata internal/api/signin internal/arm internal/atomicfile internal/azure internal/backup internal/bootstrap internal/check internal/clock internal/cluster internal/compute internal/control internal/datadir internal/decision internal/directory internal/explain internal/federation internal/fleet internal/grant internal/hierarchy internal/host internal/identity internal/installation internal/keypair internal/lab internal/localca internal/lock internal/ops internal/rbac internal/replica internal/resource internal/retention internal/revocation internal/rolelint internal/seal internal/serve internal/state internal/store internal/store/etcd internal/store/pebble internal/store/postgres internal/subscription internal/throttle internal/token internal/trace",
		"midastest":                     "internal/client midas",
		"verify":                        "",
		"cmd/midas":                     "cmd/midas/internal/child cmd/midas/internal/peer cmd/midas/internal/proxy cmd/midas/internal/truststore internal/agent internal/api/httpx internal/atomicfile internal/azure internal/bindingproxy internal/client internal/host internal/password internal/serve internal/state internal/trace midas",
		"cmd/midas/internal/child":      "",
		"cmd/midas/internal/peer":       "",
		"cmd/midas/internal/proxy":      "internal/arm internal/azure internal/host",
		"cmd/midas/internal/truststore": "internal/atomicfile",
		"bench":                         "internal/localca internal/store internal/store/pebble",
		"bench/cells":                   "",
	}},
	{"tests", map[string]string{ // each is imported by tests only
		"internal/oracle":                   "",
		"verify/verifytest":                 "",
		"internal/bindingproxy/clustertest": "",
		"internal/clock/clocktest":          "",
		"internal/keypair/keypairtest":      "",
		"internal/rbac/action/actiontest":   "internal/arm",
		"internal/store/storetest":          "internal/store internal/store/pebble",
		"internal/store/backuptest":         "internal/backup internal/store internal/store/pebble internal/store/storetest",
		"internal/store/servertest":         "",
		"internal/trace/tracetest":          "",
		"witness":                           "midas midastest",
	}},
}

// layer is one row of packages.
type layer struct {
	name     string
	packages map[string]string // the imports of a package, by its path below the module
}

// find gives the place of a package's layer, and what the package may import.
func find(pkg string) (at int, imports []string, known bool) {
	for i, l := range layers {
		if row, found := l.packages[pkg]; found {
			return i, strings.Fields(row), true
		}
	}
	return 0, nil, false
}

// foreign says which of our packages may import which modules of others. All packages may import the
// standard library.
var foreign = map[string]string{
	"github.com/alecthomas/kong":                                 "cmd/midas",
	"github.com/cockroachdb/pebble/v2":                           "internal/store/pebble",
	"github.com/go-jose/go-jose/v4":                              "internal/token verify",
	"github.com/google/uuid":                                     "midas internal/agent internal/bindingproxy internal/bootstrap internal/client internal/state cmd/midas",
	"github.com/prometheus/client_golang":                        "internal/agent internal/api/hosts internal/api/httpx internal/api/signin internal/bindingproxy internal/ops internal/store/etcd internal/trace midas",
	"go.yaml.in/yaml/v3":                                         "midas internal/state",
	"golang.org/x/crypto":                                        "internal/directory",
	"golang.org/x/sync":                                          "midas internal/agent internal/backup internal/bindingproxy internal/serve internal/state internal/store/storetest internal/token",
	"golang.org/x/text":                                          "internal/directory internal/federation",
	"github.com/google/go-cmp":                                   "internal/store/storetest",
	"pgregory.net/rapid":                                         "internal/store/storetest",
	"github.com/Azure/azure-sdk-for-go/sdk":                      "",
	"github.com/santhosh-tekuri/jsonschema/v6":                   "internal/oracle",
	"github.com/rogpeppe/go-internal":                            "",
	"go.uber.org/goleak":                                         "",
	"github.com/coreos/go-oidc/v3":                               "",
	"github.com/zitadel/oidc/v3":                                 "",
	"github.com/smallstep/pkcs7":                                 "internal/localca",
	"golang.org/x/sys":                                           "cmd/midas/internal/child internal/clock",
	"google.golang.org/protobuf":                                 "internal/trace internal/trace/tracetest",
	"go.opentelemetry.io/proto/otlp":                             "internal/trace/tracetest",
	"github.com/prometheus/client_model":                         "",
	"github.com/AzureAD/microsoft-authentication-library-for-go": "",
	"github.com/Azure/checkaccess-v2-go-sdk":                     "",
	"k8s.io/api":                                                 "internal/bindingproxy/clustertest",
	"k8s.io/apimachinery":                                        "internal/bindingproxy/clustertest",
	"github.com/jackc/pgx/v5":                                    "internal/store/postgres",
	"go.etcd.io/etcd":                                            "internal/cluster internal/store/etcd",
	"github.com/coreos/go-semver":                                "internal/cluster internal/store/etcd",
	"google.golang.org/grpc":                                     "internal/cluster internal/store/etcd",
	"go.uber.org/zap":                                            "internal/cluster internal/store/etcd",
	"sigs.k8s.io/yaml":                                           "internal/bindingproxy/clustertest",
}

type listed struct {
	ImportPath, Name string
	Imports          []string
}

// list asks the Go tool for our packages, those of the binary with all engines too.
func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", "cluster", "-json=ImportPath,Name,Imports", "./...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// short is a package's path below the module.
func short(path string) string { return strings.TrimPrefix(path, "midas/") }

func ours(path string) bool { return path == "midas" || strings.HasPrefix(path, "midas/") }

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		_, allowed, known := find(short(p.ImportPath))
		if !known {
			t.Errorf("%s is not in the table of deps_test.go: decide what it may import", short(p.ImportPath))
			continue
		}
		for _, imported := range p.Imports {
			if ours(imported) && !slices.Contains(allowed, short(imported)) {
				t.Errorf("%s imports %s, which the table of deps_test.go does not allow", short(p.ImportPath), short(imported))
			}
			if !ours(imported) && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				checkForeign(t, short(p.ImportPath), imported)
			}
		}
	}
}

func checkForeign(t *testing.T, pkg, imported string) {
	t.Helper()
	for module, users := range foreign {
		if imported == module || strings.HasPrefix(imported, module+"/") {
			if !slices.Contains(strings.Fields(users), pkg) {
				t.Errorf("%s imports %s, which is for %q only", pkg, imported, users)
			}
			return
		}
	}
	t.Errorf("%s imports %s, a module that the table of deps_test.go does not know", pkg, imported)
}

// The table itself must follow the rules about layers.
func TestDependencyTableImportsPointDown(t *testing.T) {
	for at, l := range layers {
		for pkg, row := range l.packages {
			for imported := range strings.FieldsSeq(row) {
				below, theirs, known := find(imported)
				switch {
				case !known:
					t.Errorf("%s may import %s, which has no row", pkg, imported)
				case below > at:
					t.Errorf("%s may import %s, which is in a layer above it", pkg, imported)
				case below == at && l.name == "api":
					t.Errorf("the API %s may import the API %s", pkg, imported)
				case l.name != "tests" && layers[below].name == "tests":
					t.Errorf("%s may import %s, which is for tests", pkg, imported)
				case slices.Contains(theirs, pkg):
					t.Errorf("%s and %s may import each other", pkg, imported)
				}
			}
		}
	}
}
