// Package kubernetes tests the chart with Helm's own engine and with the API types of Kubernetes and of the Prometheus
// operator.
package kubernetes

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
)

const (
	chartFolder     = "../../packaging/helm/midas"
	manifestsFolder = "../../packaging/kubernetes"
)

var update = flag.Bool("update", false, "write the plain manifests again")

// render returns what "helm install RELEASE --namespace midas" sends, file by file.
func render(release string, values map[string]any) (map[string]string, error) {
	chart, err := loader.Load(chartFolder)
	if err != nil {
		return nil, err
	}
	options := common.ReleaseOptions{Name: release, Namespace: "midas", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(chart, values, options, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, all)
	maps.DeleteFunc(files, func(name, text string) bool {
		return strings.HasPrefix(filepath.Base(name), "_") || strings.TrimSpace(text) == ""
	})
	return files, err
}

func mustRender(t *testing.T, release string, values map[string]any) map[string]string {
	t.Helper()
	files, err := render(release, values)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// together joins the rendered files for which keep is true in the order of their names.
func together(files map[string]string, keep func(name string) bool) []byte {
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if keep(name) {
			b.WriteString("---\n" + strings.TrimSpace(files[name]) + "\n")
		}
	}
	return b.Bytes()
}

// TestManifestsAreTheRenderedChart compares the plain manifests with what the chart renders without any values.
func TestManifestsAreTheRenderedChart(t *testing.T) {
	monitor := func(name string) bool { return strings.HasSuffix(name, "servicemonitor.yaml") }
	for file, want := range map[string][]byte{
		"midas.yaml": together(mustRender(t, "midas", nil), func(string) bool { return true }),
		"servicemonitor.yaml": together(mustRender(t, "midas", map[string]any{
			"serviceMonitor": map[string]any{"enabled": true}}), monitor),
	} {
		head := "# Written from the chart in packaging/helm: cd e2e/kubernetes && go test -run ManifestsAre . -update\n"
		want = append([]byte(head), want...)
		path := filepath.Join(manifestsFolder, file)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the chart renders (%v); go test -run ManifestsAre . -update", path, err)
		}
		decode(t, string(want))
	}
}

// TestHelmLintsTheChart runs the checks of "helm lint --strict".
func TestHelmLintsTheChart(t *testing.T) {
	for _, m := range lint.RunAll(chartFolder, nil, "midas").Messages {
		if !strings.Contains(m.Err.Error(), "icon is recommended") {
			t.Error(m)
		}
	}
}

// TestChartRefusesWrongValues has values that would make a service that does not work, or that is not safe.
func TestChartRefusesWrongValues(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"unknown value":            {"replica": 3},
		"no replicas":              {"replicas": 0},
		"listener of the chart":    {"config": map[string]any{"listen": ":1"}},
		"store in the ConfigMap":   {"config": map[string]any{"store": "etcd://u:p@h/midas"}},
		"key in the ConfigMap":     {"config": map[string]any{"masterKey": map[string]any{"env": "KEY"}}},
		"certificate in config":    {"config": map[string]any{"tls": map[string]any{"cert": "x"}}},
		"laboratory":               {"config": map[string]any{"lab": true}},
		"origin without TLS":       {"origin": "http://midas.example"},
		"no secret":                {"secret": ""},
		"unknown kind of Service":  {"service": map[string]any{"type": "ExternalName"}},
		"unknown spreading":        {"topologySpread": "Never"},
		"policy without the store": {"networkPolicy": map[string]any{"storePorts": []any{}}},
	} {
		if _, err := render("midas", values); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}

// TestChartMountsTheCertificate as a folder, so that a renewed Secret reaches the pod.
func TestChartMountsTheCertificate(t *testing.T) {
	text := string(together(mustRender(t, "midas", map[string]any{"tls": map[string]any{"secret": "midas-tls", "ca": true}}), func(string) bool { return true }))
	for _, want := range []string{"cert: /etc/midas/tls/tls.crt", "key: /etc/midas/tls/tls.key", "ca: /etc/midas/tls/ca.crt", `secretName: "midas-tls"`, "mountPath: /etc/midas/tls,"} {
		if !strings.Contains(text, want) {
			t.Errorf("the chart with tls.secret lacks %q", want)
		}
	}
	decode(t, text)
}
