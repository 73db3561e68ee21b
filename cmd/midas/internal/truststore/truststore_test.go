package truststore_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/cmd/midas/internal/truststore"
)

// machine is a made-up system with a folder and a command.
func machine(t *testing.T, folder, command string) (truststore.System, *[]string) {
	t.Helper()
	root := t.TempDir()
	if folder != "" {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ran := new([]string)
	return truststore.System{
		Root: root,
		Run: func(name string, args ...string) error {
			*ran = append(*ran, strings.Join(append([]string{name}, args...), " "))
			return nil
		},
		Look: func(program string) (string, error) {
			if program == command {
				return "/bin/" + program, nil
			}
			return "", exec.ErrNotFound
		},
	}, ran
}

func TestInstallAndUninstall(t *testing.T) {
	for _, c := range []struct{ folder, command, want string }{
		{"/usr/local/share/ca-certificates", "update-ca-certificates", "update-ca-certificates"},
		{"/etc/pki/ca-trust/source/anchors", "update-ca-trust", "update-ca-trust extract"},
		{"/etc/pki/trust/anchors", "update-ca-certificates", "update-ca-certificates"},
	} {
		s, ran := machine(t, c.folder, c.command)
		want := filepath.Join(s.Root, c.folder, "midas-1.crt")
		path, err := s.Install("midas-1", []byte("PEM"))
		if data, rerr := os.ReadFile(want); err != nil || rerr != nil || path != want || string(data) != "PEM" {
			t.Errorf("%s: install: %q %v %v", c.folder, path, err, rerr)
		}
		if path, err := s.Uninstall("midas-1"); path != want || err != nil {
			t.Errorf("%s: uninstall: %q %v", c.folder, path, err)
		}
		if _, err := os.Stat(want); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is still there: %v", c.folder, err)
		}
		if path, err := s.Uninstall("midas-1"); path != "" || err != nil {
			t.Errorf("%s: uninstall again: %q %v", c.folder, path, err)
		}
		if diff := cmp.Diff([]string{c.want, c.want}, *ran); diff != "" {
			t.Errorf("%s: %s", c.folder, diff)
		}
	}
}

func TestUnknownSystemsAreNotChanged(t *testing.T) {
	for name, c := range map[string]struct{ folder, command string }{
		"nothing":              {"", ""},
		"a folder alone":       {"/usr/local/share/ca-certificates", ""},
		"a command alone":      {"", "update-ca-certificates"},
		"those of two systems": {"/usr/local/share/ca-certificates", "update-ca-trust"},
	} {
		s, ran := machine(t, c.folder, c.command)
		if _, err := s.Install("x", nil); !errors.Is(err, truststore.ErrUnknownSystem) {
			t.Errorf("%s: install: %v", name, err)
		}
		if _, err := s.Uninstall("x"); !errors.Is(err, truststore.ErrUnknownSystem) || len(*ran) > 0 {
			t.Errorf("%s: uninstall: %v, ran %v", name, err, *ran)
		}
	}
}

func TestBundleIsSSLCertFileOrTheSystems(t *testing.T) {
	own := filepath.Join(t.TempDir(), "own.pem")
	if err := os.WriteFile(own, []byte("PEM"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSL_CERT_FILE", own)
	if got, err := truststore.Bundle(); string(got) != "PEM" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("SSL_CERT_FILE", own+".gone")
	if got, err := truststore.Bundle(); len(got) != 0 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
