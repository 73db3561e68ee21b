package agent_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"midas/internal/agent"
	"midas/internal/host"
)

// keepFile starts an agent that keeps a token file and serves nothing else.
func keepFile(t *testing.T, s *server, path string) {
	t.Helper()
	state := t.TempDir()
	_, err := agent.EnrollMachine(t.Context(), agent.Enrollment{Server: s.URL, Roots: s.roots(), Token: "good"}, state)
	if err != nil {
		t.Fatal(err)
	}
	a, err := agent.Open(t.Context(), agent.ServerConfig{
		State: state, Log: slog.New(slog.DiscardHandler), TokenFiles: []agent.TokenFile{{Audience: vault, Path: path}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if urls := a.URLs(); len(urls) > 0 {
		t.Errorf("it serves %v too", urls)
	}
	a.Start()
	t.Cleanup(func() { _ = a.Close() })
}

func contains(path, text string) func() bool {
	return func() bool {
		data, err := os.ReadFile(path)
		return err == nil && string(data) == text
	}
}

func missing(path string) func() bool {
	return func() bool {
		_, err := os.Stat(path)
		return errors.Is(err, fs.ErrNotExist)
	}
}

func TestTokenFileFollowsTheIdentity(t *testing.T) {
	s := newServer(t)
	folder := t.TempDir()
	path := filepath.Join(folder, "token")
	keepFile(t, s, path)
	eventually(t, func() bool { return !missing(path)() })
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}

	// revokeTokens: another token, at once.
	var before int64
	s.change(func() {
		before = s.tokens.Load()
		s.principals = []host.Principal{{ObjectID: "o1", ClientID: "c1", ValidFrom: time.Now()}}
	})
	eventually(t, func() bool {
		data, err := os.ReadFile(path)
		n, bad := strconv.ParseInt(strings.TrimPrefix(string(data), "t"), 10, 64)
		return err == nil && bad == nil && n > before
	})

	// The identity is taken from the machine, and given back.
	s.change(func() { s.principals = nil })
	eventually(t, missing(path))
	s.change(func() { s.principals = []host.Principal{{ObjectID: "o1", ClientID: "c1"}} })
	eventually(t, func() bool { return !missing(path)() })

	// The host is removed.
	s.change(func() { s.revoked = true })
	eventually(t, missing(path))
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// unsigned is a text with the form of a token that expires at a time.
func unsigned(expires time.Time) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"exp":%d}`, expires.Unix())) + ".x"
}

// A server that cannot be reached, also after a restart of the agent, says nothing about the identity.
func TestTokenFileOutlivesAnOutageUntilItExpires(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		token string
		kept  bool
	}{
		"valid": {unsigned(time.Now().Add(time.Hour)), true}, "expired": {unsigned(time.Now().Add(-time.Hour)), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			path := filepath.Join(t.TempDir(), "token")
			if err := os.WriteFile(path, []byte(row.token), 0o600); err != nil {
				t.Fatal(err)
			}
			s.set(func() { s.fault, s.faultyState = 503, true })
			keepFile(t, s, path)
			eventually(t, func() bool { return contains(path, row.token)() == row.kept && s.tokens.Load() > 1 })
			if row.kept { // also when the first request has been given up, which was sent 11 times
				eventually(t, func() bool { return s.tokens.Load() > 11 })
				if !contains(path, row.token)() {
					t.Error("it was removed")
				}
			}
			s.change(func() { s.fault, s.faultyState = 0, false })
			eventually(t, func() bool { data, _ := os.ReadFile(path); return strings.HasPrefix(string(data), "t") })
		})
	}
}

func TestTokenFileSettings(t *testing.T) {
	const machine = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app"
	id := "11111111-1111-4111-8111-111111111111"
	for text, want := range map[string]agent.TokenFile{
		"sts.amazonaws.com=/run/aws":  {Audience: "sts.amazonaws.com", Path: "/run/aws"},
		"a=b":                         {Audience: "a", Path: "b"},
		"https://x/?a=b=/run/x":       {Audience: "https://x/?a=b", Path: "/run/x"},
		"api://x," + id + "=/run/x=y": {Audience: "api://x", Path: "/run/x=y", Identity: host.Selector{ClientID: id}},
		"a,b," + id + "=/x":           {Audience: "a,b", Path: "/x", Identity: host.Selector{ClientID: id}},
		"a," + machine + "=/x":        {Audience: "a", Path: "/x", Identity: host.Selector{ResourceID: machine}},
	} {
		if got, err := agent.ParseTokenFile(text); got != want || err != nil {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "a", "=/x", "a=", "a,=/x", "a,b=/x", ",b=/x", "," + id + "=/x", "a\nb=/x", "https://a/.default=/x", strings.Repeat("a", 2000) + "=/x"} {
		if got, err := agent.ParseTokenFile(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "passwords"), []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "large"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(folder, filepath.Join(folder, "again")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]agent.ServerConfig{
		"a large file": {TokenFiles: []agent.TokenFile{{Audience: "a", Path: filepath.Join(folder, "large")}}},
		"two, linked":  {TokenFiles: []agent.TokenFile{{Audience: "a", Path: folder + "/x"}, {Audience: "b", Path: folder + "/again/x"}}},
		"another file": {TokenFiles: []agent.TokenFile{{Audience: "a", Path: filepath.Join(folder, "passwords")}}},
		"no folder":    {TokenFiles: []agent.TokenFile{{Audience: "a", Path: filepath.Join(folder, "none", "x")}}},
		"a folder":     {TokenFiles: []agent.TokenFile{{Audience: "a", Path: folder}}},
		"two":          {TokenFiles: []agent.TokenFile{{Audience: "a", Path: folder + "/x"}, {Audience: "b", Path: folder + "/./x"}}},
		"no group":     {TokenFiles: []agent.TokenFile{{Audience: "a", Path: folder + "/x"}}, TokenFileGroup: "no-such-group"},
	} {
		c.Log, c.State = slog.New(slog.DiscardHandler), folder
		if _, err := agent.Open(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "token file") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An error that is not one of the server's reasons says nothing about the identity.
func TestTokenFileStaysAfterAnUnknownError(t *testing.T) {
	s := newServer(t)
	path := filepath.Join(t.TempDir(), "token")
	token := unsigned(time.Now().Add(time.Hour))
	if err := os.WriteFile(path, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.refusal = "RequestBlocked" })
	keepFile(t, s, path)
	eventually(t, func() bool { return s.tokens.Load() > 1 }) // the first answer has been handled
	if !contains(path, token)() {
		t.Error("the file is gone")
	}
	s.change(func() { s.refusal = host.CodeNotAllowed })
	eventually(t, missing(path))
}
