package datadir_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/datadir"
)

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFolderIsReadableByItsOwnerOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d := open(t, path)
	defer d.Close()
	if _, err := d.MakeMaster(); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteAdmin(datadir.Admin{TenantID: "t", SubscriptionID: "s", ClientID: "c", ClientSecret: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "master.key": 0o600, "admin.json": 0o600, "lock": 0o600} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%q: mode %v, want %v (%v)", name, info.Mode(), mode, err)
		}
	}
}

func TestLockedFolderIsRefused(t *testing.T) {
	path := t.TempDir()
	first := open(t, path)
	_, err := datadir.Open(path)
	if !errors.Is(err, datadir.ErrLocked) {
		t.Fatalf("second open: %v", err)
	}
	for _, want := range []string{path, fmt.Sprintf("process %d", os.Getpid()), "--data"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestMasterKeyIsKept(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if _, err := d.Master(); !errors.Is(err, datadir.ErrNoMaster) {
		t.Errorf("Master before MakeMaster: %v", err)
	}
	made, err := d.MakeMaster()
	if err != nil || made == [32]byte{} {
		t.Fatal(err)
	}
	if _, err := d.MakeMaster(); err == nil {
		t.Error("MakeMaster replaced the master key")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	defer d.Close()
	if got, err := d.Master(); err != nil || got != made {
		t.Errorf("made %x, then %x: %v", made, got, err)
	}
	if err := d.RemoveMaster(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Master(); !errors.Is(err, datadir.ErrNoMaster) {
		t.Errorf("after its removal: %v", err)
	}
}

func TestDamagedMasterKeyIsNotReplaced(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	defer d.Close()
	for _, content := range []string{"", "zz", strings.Repeat("0", 62)} {
		if err := os.WriteFile(d.Path("master.key"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Master(); err == nil || !strings.Contains(err.Error(), "master.key is damaged") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestAdminIsReadAsWritten(t *testing.T) {
	d := open(t, t.TempDir())
	defer d.Close()
	if _, there, err := d.Admin(); there || err != nil {
		t.Errorf("before the first start: %v, %v", there, err)
	}
	want := datadir.Admin{Endpoint: "https://localhost:1", TenantID: "t", SubscriptionID: "s", ClientID: "c", ClientSecret: "x"}
	if err := d.WriteAdmin(want); err != nil {
		t.Fatal(err)
	}
	got, there, err := d.Admin()
	if diff := cmp.Diff(want, got); diff != "" || !there || err != nil {
		t.Errorf("%v %v %s", there, err, diff)
	}
}

func TestDamagedAdminFileIsReported(t *testing.T) {
	for content, want := range map[string]string{
		"{":                  "is damaged",
		`{"tenantId":"t"}`:   "lacks",
		`{"tenantId":12345}`: "is damaged",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "admin.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := datadir.ReadAdmin(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", content, err)
		}
	}
}

func TestSecretIsRedacted(t *testing.T) {
	a := datadir.Admin{ClientSecret: "hunter2"}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "a", a, "s", a.ClientSecret)
	for _, s := range []string{fmt.Sprint(a), fmt.Sprintf("%+v", a), fmt.Sprintf("%#v", a), fmt.Sprintf("%s %v", a.ClientSecret, &a), log.String()} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("the secret is not redacted: %s", s)
		}
	}
}
