package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"midas"
)

// manifests are the Deployment and the configuration of packaging/kubernetes/midas.yaml.
type manifests struct {
	deployment appsv1.Deployment
	config     string // path of the configuration file
}

func openManifests(t *testing.T) (m manifests) {
	t.Helper()
	var config corev1.ConfigMap
	for text := range strings.SplitSeq(read(t, "../../packaging/kubernetes/midas.yaml"), "\n---\n") {
		var object any
		switch {
		case strings.Contains(text, "\nkind: Deployment\n"):
			object = &m.deployment
		case strings.Contains(text, "\nkind: ConfigMap\n"):
			object = &config
		default:
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(text), object); err != nil {
			t.Fatal(err)
		}
	}
	m.config = filepath.Join(t.TempDir(), "midas.yaml")
	if err := os.WriteFile(m.config, []byte(config.Data["midas.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestManifestsHaveFlagsOfThisCommandLine parses the command of the pods with midas' own parser, reads their
// configuration, and checks that the files of the command are in volumes of the pod.
func TestManifestsHaveFlagsOfThisCommandLine(t *testing.T) {
	m := openManifests(t)
	c := m.deployment.Spec.Template.Spec.Containers[0]
	if !slices.Equal(c.Command, []string{"midas"}) {
		t.Errorf("command %q", c.Command)
	}
	if _, err := newParser(io.Discard, io.Discard).Parse(c.Args); err != nil {
		t.Errorf("midas %q: %v", c.Args, err)
	}
	var variables []string
	for _, v := range c.Env {
		variables = append(variables, v.Name)
	}
	checkVariables(t, variables)
	cfg := checkConfig(t, m.config)
	for _, path := range append(slices.Clone(c.Args), cfg.Data) {
		inside := func(v corev1.VolumeMount) bool {
			return path == v.MountPath || strings.HasPrefix(path, v.MountPath+"/")
		}
		if strings.HasPrefix(path, "/") && !slices.ContainsFunc(c.VolumeMounts, inside) {
			t.Errorf("%s is in no volume", path)
		}
	}
	if cfg.Listen != ":8443" || cfg.Ops != ":9090" || *m.deployment.Spec.Replicas != 3 {
		t.Errorf("listen %q, ops %q, %d replicas", cfg.Listen, cfg.Ops, *m.deployment.Spec.Replicas)
	}
}

// TestPodAnswersItsProbes starts a server with the configuration of the pods, but with a store in memory and on free
// ports, and asks it what the probes ask.
func TestPodAnswersItsProbes(t *testing.T) {
	m := openManifests(t)
	cfg := checkConfig(t, m.config)
	key := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0f", 32)+"\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	cfg.Data, cfg.Store, cfg.Listen, cfg.Ops = filepath.Join(t.TempDir(), "data"), "memory:", "127.0.0.1:0", "127.0.0.1:0"
	cfg.MasterKey = midas.MasterKeyConfig{File: key}
	server, err := midas.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c := m.deployment.Spec.Template.Spec.Containers[0]
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		resp, err := http.Get(server.OpsURL() + probe.HTTPGet.Path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", probe.HTTPGet.Path, resp.Status)
		}
	}
	if server.Admin().Endpoint != cfg.Origin {
		t.Errorf("clients are told %s, not %s", server.Admin().Endpoint, cfg.Origin)
	}
}
