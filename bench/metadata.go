package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// metadata measures the agent of a machine that gives warm tokens, in clear as programs ask for them.
func (b *bench) metadata(t *target) error {
	s, err := b.agent(t, "agent")
	if err != nil {
		return err
	}
	defer s.stop()
	request := metadataRequest()
	return b.besideBare("warm token from the metadata service, in clear, 16 connections", &target{server: s}, func(int) []byte { return request })
}

func metadataRequest() []byte {
	return []byte("GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net HTTP/1.1\r\nHost: 127.0.0.1\r\nMetadata: true\r\n\r\n")
}

// agent starts the agent of a new machine with an identity of its own, with its state in a folder.
func (b *bench) agent(t *target, folder string) (*server, error) {
	machine := t.group + "/providers/Microsoft.Compute/virtualMachines/web"
	body := `{"location":"eastus","identity":{"type":"SystemAssigned"}}`
	if _, err := t.run(1, 1, "201", func(int) []byte {
		return send("PUT", machine+"?api-version=2024-07-01", t.bearer, "application/json", body)
	}); err != nil {
		return nil, err
	}
	token, err := exec.Command(b.binary, "agent", "enrollment-token", "--data", t.data, "--resource", machine).Output()
	if err != nil {
		return nil, fmt.Errorf("create an enrollment token: %w", err)
	}
	state := filepath.Join(b.dir, folder)
	_, port, _ := strings.Cut(t.addr, ":")
	if out, err := exec.Command(b.binary, "agent", "enroll", "--state", state, "--server", "https://localhost:"+port,
		"--ca", filepath.Join(t.data, "ca.pem"), "--token", strings.TrimSpace(string(token))).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("enroll: %w: %s", err, out)
	}
	return start(state, exec.Command(b.binary, "agent", "run", "--state", state, "--unlimited", "--flavour", "imds=127.0.0.1:0"))
}
