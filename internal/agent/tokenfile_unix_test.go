//go:build unix

package agent_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas/internal/agent"
)

// What others put in the place of a token file is replaced, and neither read nor waited for.
func TestTokenFileReplacesWhatOthersPutInItsPlace(t *testing.T) {
	folder := t.TempDir()
	other := filepath.Join(folder, "other")
	if err := os.WriteFile(other, []byte("passwords"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, put := range map[string]func(path string) error{
		"a pipe":                               func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a link":                               func(path string) error { return os.Symlink(other, path) },
		"a link to nothing":                    func(path string) error { return os.Symlink(folder+"/none", path) },
		"a link to a device that does not end": func(path string) error { return os.Symlink("/dev/zero", path) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			path := filepath.Join(t.TempDir(), "token")
			keepFile(t, s, path)
			eventually(t, func() bool { return !missing(path)() })
			s.change(func() {
				err := error(syscall.EEXIST) // the agent may write the file between the two calls
				for errors.Is(err, syscall.EEXIST) {
					if err = os.Remove(path); err == nil {
						err = put(path)
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
			eventually(t, func() bool {
				info, err := os.Lstat(path)
				return err == nil && info.Mode() == 0o600
			})
			if data, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(data), "t") {
				t.Errorf("%q %v", data, err)
			}
		})
	}
	if data, err := os.ReadFile(other); err != nil || string(data) != "passwords" {
		t.Errorf("%q %v", data, err)
	}
}

// An agent ends on a signal, also while a token file is a pipe.
func TestAgentEndsWhileATokenFileIsAPipe(t *testing.T) {
	s := newServer(t)
	state, path := t.TempDir(), filepath.Join(t.TempDir(), "token")
	if _, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: s.URL, Roots: s.roots(), Token: "good"}, state); err != nil {
		t.Fatal(err)
	}
	a, err := agent.Open(t.Context(), agent.ServerConfig{
		State: state, Log: slog.New(slog.DiscardHandler), TokenFiles: []agent.TokenFile{{Audience: vault, Path: path}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o666); err != nil {
		t.Fatal(err)
	}
	a.Start()
	closed := make(chan error, 1)
	go func() { closed <- a.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it waits for a writer of the pipe")
	}
}

// The start fails if the files could not be written later.
func TestTokenFileFolderMustBeWritable(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may write to every folder")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := agent.Open(t.Context(), agent.ServerConfig{
		State: folder, Log: slog.New(slog.DiscardHandler), TokenFiles: []agent.TokenFile{{Audience: vault, Path: folder + "/token"}},
	})
	if err == nil || !strings.HasPrefix(err.Error(), "token file") {
		t.Error(err)
	}
}
