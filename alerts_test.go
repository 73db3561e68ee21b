package midas_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"midas"
)

// observability are the files of packaging/observability, and the pages of the docs that name metrics.
var observability = []string{"packaging/observability/alerts.yaml", "packaging/observability/dashboard.json", "docs/operations.md", "docs/cluster.md", "docs/store.md", "docs/replicas.md"}

// ofOthers are the names of metrics that only a store with several replicas has.
var ofOthers = regexp.MustCompile(`^midas_store_(feed|probes|etcd)`)

// ofOwnPair is the metric that only a server with a certificate of the operator has.
const ofOwnPair = "midas_certificate_reload_failed"

// metricsOf scrapes a server that has just started.
func metricsOf(t *testing.T, s *midas.Server) (names []string, text string) {
	t.Helper()
	status, text := get(t, http.DefaultClient, s.OpsURL()+"/metrics")
	if status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
		if names = append(names, found[1]); found[2] == "histogram" {
			names = append(names, found[1]+"_bucket", found[1]+"_sum", found[1]+"_count")
		}
	}
	return names, text
}

// namedMetrics returns the metrics that a file names.
func namedMetrics(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`\b(?:midas|process|go)_[a-z0-9_]+\b`).FindAllString(string(text), -1)
	all = slices.DeleteFunc(all, func(name string) bool { return slices.Contains([]string{"midas_schema", "midas_allow_unsafe"}, name) }) // parameters
	slices.Sort(all)
	return slices.Compact(all)
}

// Each metric of an alert, of the dashboard and of the docs is there as soon as a server has started.
func TestMetricsOfAlertsAndDashboardExistFromTheStart(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Ops = "", "127.0.0.1:0"
	s := start(t, cfg)
	_, _ = metricsOf(t, s) // the metrics of requests have series from the first request on
	names, text := metricsOf(t, s)
	for _, file := range observability {
		for _, name := range namedMetrics(t, file) {
			if !ofOthers.MatchString(name) && name != ofOwnPair && !slices.Contains(names, name) {
				t.Errorf("%s names %s, which a server does not have", file, name)
			}
		}
	}
	for _, want := range []string{
		"midas_ready 1", "midas_replicas 1", "midas_background_lease_held 1", "midas_store_writable 1", "midas_retention_paused 0", "midas_agents_waiting 0",
		"midas_last_backup_timestamp_seconds 0", `midas_sign_ins_total{identity="",outcome="refused"} 0`, `midas_sign_ins_total{identity="",outcome="failed"} 0`,
		`midas_issuer_fetches_total{outcome="unreachable"} 0`, `midas_trace_spans_dropped_total{reason="queue"} 0`, "midas_store_write_failures_total 0",
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("a new server has no %q", want)
		}
	}
	for _, certificate := range []string{"local_ca", "hosts_ca"} {
		if !regexp.MustCompile(`midas_certificate_expiry_timestamp_seconds\{certificate="` + certificate + `"\} [1-9]`).MatchString(text) {
			t.Errorf("the certificate %s has no expiry", certificate)
		}
	}
	if !regexp.MustCompile(`(?m)^midas_signing_key_end_timestamp_seconds 1\.`).MatchString(text) || !regexp.MustCompile(`(?m)^midas_data_free_bytes [1-9]`).MatchString(text) {
		t.Error("the end of the signing key or the free space is unknown")
	}
}

func TestBackupIsInTheMetrics(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Ops = "", "127.0.0.1:0"
	s := start(t, cfg)
	if _, err := midas.Backup(t.Context(), midas.Config{Data: cfg.Data}, cfg.Data+".backup", nil); err != nil {
		t.Fatal(err)
	}
	if _, text := metricsOf(t, s); !regexp.MustCompile(`(?m)^midas_last_backup_timestamp_seconds 1\.`).MatchString(text) {
		t.Error("the backup is not in the metrics")
	}
}

// Each alert names a heading of the docs that says what to do, and has a severity.
func TestAlertsNameTheirRunbook(t *testing.T) {
	type rules struct {
		Groups []struct {
			Rules []struct {
				Alert               string
				Expr, For           string
				Labels, Annotations map[string]string
			}
		}
	}
	text, err := os.ReadFile("packaging/observability/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all rules
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range all.Groups {
		for _, r := range g.Rules {
			count++
			page, heading, _ := strings.Cut(r.Annotations["runbook"], "#")
			if !slices.Contains(anchors(t, page), heading) {
				t.Errorf("%s names %s, which is no heading", r.Alert, r.Annotations["runbook"])
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || !strings.HasPrefix(r.Alert, "Midas") {
				t.Errorf("%+v", r)
			}
		}
	}
	if count < 20 {
		t.Errorf("%d alerts", count)
	}
}

// anchors returns the anchors of the headings of a page.
func anchors(t *testing.T, page string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		lower := strings.ToLower(found[1])
		all = append(all, strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(lower, ""), " ", "-"))
	}
	return all
}

func TestDashboardIsComplete(t *testing.T) {
	type target struct{ Expr, LegendFormat string }
	var board struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Type    string
			Title   string
			Targets []target
			GridPos struct{ H, W, X, Y int }
		}
		Templating struct{ List []struct{ Name string } }
	}
	text, err := os.ReadFile("packaging/observability/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	ids, covered := map[int]bool{}, map[[2]int]bool{}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if covered[[2]int{x, y}] || x >= 24 {
					t.Errorf("%s lies over another panel", p.Title)
				}
				covered[[2]int{x, y}] = true
			}
		}
		for _, q := range p.Targets {
			if !strings.Contains(q.Expr, `job="$job"`) {
				t.Errorf("%s: %s shows all installations", p.Title, q.Expr)
			}
		}
	}
	if len(ids) < 20 || board.UID == "" || len(board.Templating.List) != 3 {
		t.Errorf("%d panels, %+v", len(ids), board.Templating)
	}
}

// Nobody who only reaches the main listener sees metrics and profiles.
func TestMetricsAreNotOnTheMainListener(t *testing.T) {
	cfg := quiet(t)
	cfg.Ops = "127.0.0.1:0"
	start(t, cfg)
	admin := administrator(t, cfg.Data)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "//metrics", "/healthz/../metrics"} {
		if status, text := get(t, admin.HTTP, admin.Endpoint+path); status < 400 || strings.Contains(text, "go_goroutines") {
			t.Errorf("%s: %d %.200s", path, status, text)
		}
	}
}
