package control_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
	"midas/internal/control"
)

// fake implements Commands for a server under test.
type fake struct {
	dump string
	err  error
}

func (f fake) Dump(_ context.Context, w io.Writer) error {
	if f.dump != "" {
		if _, err := io.WriteString(w, f.dump); err != nil {
			return err
		}
	}
	return f.err
}

func (f fake) Backup(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "a backup")
	return errors.Join(err, f.err)
}

func (f fake) Check(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "{}\n")
	return errors.Join(err, f.err)
}

func (f fake) Address(context.Context) (string, error) { return "localhost:1", f.err }

func (f fake) ImportRoles(_ context.Context, file io.Reader) ([]byte, error) {
	content, err := io.ReadAll(file)
	if string(content) == "bad" {
		return nil, fmt.Errorf("%w: it is bad", control.ErrFile)
	}
	return []byte(`{"added":1}`), errors.Join(err, f.err)
}

func (f fake) ExportKeys(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, `{"keys":[]}`)
	return errors.Join(err, f.err)
}

func (f fake) RotateKeys(context.Context) (string, error) { return "kid-1", f.err }

func (f fake) LintRoles(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "{}\n")
	return err
}

func (f fake) SetOrigin(_ context.Context, origin string) error {
	if origin != "https://a.test" {
		return errors.New("another origin")
	}
	return nil
}

func (f fake) ResealKeys(_ context.Context, o control.Reseal) (control.Resealed, error) {
	if o.To == "" {
		return control.Resealed{}, errors.New("there is no file")
	}
	return control.Resealed{File: o.To, StoreKey: o.StoreKey}, nil
}

func (f fake) WithdrawKey(_ context.Context, kid string) error {
	if kid != "kid+1" && f.err == nil {
		return control.ErrNoKey
	}
	return f.err
}

// serve runs the commands on a socket until the test ends.
func serve(t *testing.T, path string, c control.Commands) {
	t.Helper()
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := httpx.Server(httpx.New(control.Handler(c), httpx.Options{
		Log: log, Metrics: metrics, Now: time.Now, NewID: func() string { return "id" },
	}), log)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

func dial(t *testing.T, path string) *control.Client {
	t.Helper()
	c, err := control.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCommandsReachTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	want := strings.Repeat(`{"key":"a"}`+"\n", 100_000)
	serve(t, path, fake{dump: want})
	c := dial(t, path)
	var got bytes.Buffer
	if err := c.Dump(t.Context(), &got); err != nil || got.String() != want {
		t.Errorf("dump of %d bytes, want %d: %v", got.Len(), len(want), err)
	}
	var keys strings.Builder
	if err := c.ExportKeys(t.Context(), &keys); err != nil || keys.String() != `{"keys":[]}` {
		t.Errorf("export: %s, %v", keys.String(), err)
	}
	if kid, err := c.RotateKeys(t.Context()); err != nil || kid != "kid-1" {
		t.Errorf("rotate: %q, %v", kid, err)
	}
	if err := c.SetOrigin(t.Context(), "https://a.test"); err != nil {
		t.Error(err)
	}
	if err := c.SetOrigin(t.Context(), "https://b.test"); err == nil || err.Error() != "another origin" {
		t.Error(err)
	}
	if done, err := c.ResealKeys(t.Context(), control.Reseal{To: "/a b&c", StoreKey: true}); err != nil || done != (control.Resealed{File: "/a b&c", StoreKey: true}) {
		t.Errorf("reseal: %+v, %v", done, err)
	}
	if _, err := c.ResealKeys(t.Context(), control.Reseal{}); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Errorf("reseal without a file: %v", err)
	}
	if err := c.WithdrawKey(t.Context(), "kid+1"); err != nil {
		t.Errorf("withdraw: %v", err)
	}
	if err := c.WithdrawKey(t.Context(), "another"); !errors.Is(err, control.ErrNoKey) {
		t.Errorf("withdraw a key that does not exist: %v, want ErrNoKey", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestErrorsOfCommandsReachTheClient(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	serve(t, path, fake{err: errors.New("no such luck")})
	c := dial(t, path)
	if err := c.Dump(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("dump: %v", err)
	}
	if _, err := c.RotateKeys(t.Context()); err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("rotate: %v", err)
	}
}

func TestInterruptedDumpIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	serve(t, path, fake{dump: strings.Repeat("x", 100_000), err: errors.New("disk gone")})
	if err := dial(t, path).Dump(t.Context(), io.Discard); err == nil {
		t.Error("an incomplete dump is not an error")
	}
}

func TestDialWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if _, err := control.Dial(t.Context(), path); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("no socket: %v", err)
	}
	// A server that was killed leaves its socket behind.
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Dial(t.Context(), path); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("dead socket: %v", err)
	}
	serve(t, path, fake{})
	dial(t, path)
}

func TestPathTooLongForASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("a", 120), "control.sock")
	if _, err := control.Listen(path); !errors.Is(err, control.ErrPathTooLong) || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("listen: %v", err)
	}
	if _, err := control.Dial(t.Context(), path); !errors.Is(err, control.ErrPathTooLong) {
		t.Errorf("dial: %v", err)
	}
}

func TestImportRolesTellsInvalidFilesFromFailures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	serve(t, path, fake{})
	c := dial(t, path)
	if report, err := c.ImportRoles(t.Context(), strings.NewReader("[]")); err != nil || !strings.Contains(string(report), `"added":1`) {
		t.Errorf("%s, %v", report, err)
	}
	if _, err := c.ImportRoles(t.Context(), strings.NewReader("bad")); !errors.Is(err, control.ErrFile) || !strings.Contains(err.Error(), "it is bad") {
		t.Error(err)
	}
}
