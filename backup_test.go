package midas_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas"
	"midas/internal/backup"
	"midas/internal/client"
	"midas/internal/store"
)

// bearerRequest sends a request with a bearer token and returns the status and the body.
func bearerRequest(t *testing.T, c *client.Client, token, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// durable is the configuration of a server with a store on disk.
func durable(t *testing.T) midas.Config {
	t.Helper()
	cfg := quiet(t)
	cfg.Store = ""
	return cfg
}

// successor is the configuration of a server with another folder and the address of a server that has ended, so that
// its tokens have the same issuer.
func successor(t *testing.T, of *midas.Server) midas.Config {
	t.Helper()
	cfg := durable(t)
	cfg.Listen = strings.TrimPrefix(of.Admin().Endpoint, "https://")
	return cfg
}

func armToken(t *testing.T, c *client.Client) string {
	t.Helper()
	token, err := c.Token(t.Context(), "https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// copyFiles copies files of one data folder into another one.
func copyFiles(t *testing.T, from, to string, names ...string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func checked(t *testing.T, cfg midas.Config) string {
	t.Helper()
	var found bytes.Buffer
	if err := midas.Check(t.Context(), cfg, &found); err != nil {
		t.Fatal(err)
	}
	return found.String()
}

// TestBackupOfARunningServerIsRestoredAndTokensGoOn: a token of before is accepted by the restored server, and one that
// was revoked before the backup is not.
func TestBackupOfARunningServerIsRestoredAndTokensGoOn(t *testing.T) {
	from := durable(t)
	server := start(t, from)
	token := armToken(t, administrator(t, from.Data))
	file := filepath.Join(t.TempDir(), "a.backup")
	done, err := midas.Backup(t.Context(), from, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 || info.Size() != done.Bytes {
		t.Errorf("the file: %v, %v", info, err)
	}
	if found := checked(t, from); found != "" {
		t.Errorf("findings in the running server: %s", found)
	}
	shutdown(t, server)
	offline, err := midas.Backup(t.Context(), from, file+"2", nil)
	if err != nil || offline.Records < done.Records || offline.MasterKey != done.MasterKey {
		t.Errorf("without a server: %+v, %v", offline, err)
	}
	to := successor(t, server)
	restored, err := midas.Restore(t.Context(), to, file, midas.RestoreOptions{})
	if err != nil || restored.MasterFound || restored.MasterFile != filepath.Join(to.Data, "master.key") {
		t.Fatalf("%+v, %v", restored, err)
	}
	if _, err := midas.Start(t.Context(), to); err == nil || !strings.Contains(err.Error(), "there is no master key") {
		t.Errorf("a start without the master key: %v", err)
	}
	copyFiles(t, from.Data, to.Data, "master.key", "admin.json")
	start(t, to)
	c := administrator(t, to.Data)
	if status, body := bearerRequest(t, c, token, "GET", c.Admin.Endpoint+"/subscriptions?api-version=2022-12-01", ""); status != http.StatusOK || !strings.Contains(body, c.Admin.SubscriptionID) {
		t.Errorf("a token of before: %d %s", status, body)
	}
	if found := checked(t, to); found != "" {
		t.Errorf("findings: %s", found)
	}
}

func TestRestoreRefusesWithoutWriting(t *testing.T) {
	from := durable(t)
	shutdown(t, start(t, from))
	file := filepath.Join(t.TempDir(), "a.backup")
	if _, err := midas.Backup(t.Context(), from, file, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	damaged := file + ".damaged"
	if err := os.WriteFile(damaged, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	old := file + ".old"
	writeAged(t, from, old, time.Hour)
	refused := func(cfg midas.Config, file, says string) {
		t.Helper()
		_, err := midas.Restore(t.Context(), cfg, file, midas.RestoreOptions{})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
	before := dumped(t, from)
	refused(from, file, "is not empty")
	if dumped(t, from) != before {
		t.Error("the store was changed")
	}
	refused(durable(t), damaged, "truncated")
	refused(durable(t), filepath.Join(from.Data, "master.key"), "is no backup")
	refused(durable(t), old, "--tokens end")
	writeAged(t, from, old, -time.Hour)
	refused(durable(t), old, "later than now")
	refused(midas.Config{Data: t.TempDir(), Store: "memory:"}, file, "ends with its server")
	other := durable(t)
	shutdown(t, start(t, other))
	another := other
	another.Store = "pebble:" + filepath.Join(t.TempDir(), "store")
	refused(another, file, "master key")
	running := start(t, other)
	refused(another, file, "a server is running")
	shutdown(t, running)
}

// TestRefusedRestoresLeaveNothing restores files that are refused into folders that do not exist or have only another
// master key.
func TestRefusedRestoresLeaveNothing(t *testing.T) {
	from := durable(t)
	shutdown(t, start(t, from))
	folder := t.TempDir()
	file, old, damaged, later := filepath.Join(folder, "a"), filepath.Join(folder, "old"), filepath.Join(folder, "damaged"), filepath.Join(folder, "later")
	if _, err := midas.Backup(t.Context(), from, file, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	writeAged(t, from, old, time.Hour)
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-40] ^= 1
	if err := errors.Join(os.WriteFile(damaged, whole[:len(whole)/2], 0o600), os.WriteFile(later, flipped, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{damaged, later, old, "", filepath.Join(folder, "none"), folder, from.Data} {
		into := filepath.Join(t.TempDir(), "new")
		if _, err := midas.Restore(t.Context(), midas.Config{Data: into}, path, midas.RestoreOptions{}); err == nil {
			t.Errorf("%q was restored", path)
		}
		if _, err := os.Lstat(into); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: the folder was made: %v", path, err)
		}
	}
	another := t.TempDir()
	if err := os.WriteFile(filepath.Join(another, "master.key"), []byte(strings.Repeat("ab", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := midas.Restore(t.Context(), midas.Config{Data: another}, file, midas.RestoreOptions{}); err == nil || !strings.Contains(err.Error(), "put that one there first") {
		t.Error(err)
	}
	if left, err := os.ReadDir(another); err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
	if _, err := midas.Backup(t.Context(), from, "", nil); err == nil || !strings.Contains(err.Error(), "the name of the file is empty") {
		t.Error(err)
	}
}

// writeAged writes a backup of a stopped server's store that was made some time ago.
func writeAged(t *testing.T, cfg midas.Config, file string, age time.Duration) {
	t.Helper()
	var out bytes.Buffer
	h := backup.Header{Program: "v1", Created: time.Now().Add(-age), MasterKey: "0123456789abcdef"}
	view(t, filepath.Join(cfg.Data, "store"), func(st store.Store) error { return backup.Write(t.Context(), st, false, h, &out) })
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestTokensEndAtARestoreThatSaysSo restores an older backup, after which no token of before is accepted.
func TestTokensEndAtARestoreThatSaysSo(t *testing.T) {
	from := durable(t)
	server := start(t, from)
	token := armToken(t, administrator(t, from.Data))
	shutdown(t, server)
	file := filepath.Join(t.TempDir(), "old.backup")
	writeAged(t, from, file, time.Hour)
	for tokens, want := range map[midas.RestoreTokens]int{midas.EndTokens: http.StatusUnauthorized, midas.KeepTokens: http.StatusOK} {
		to := successor(t, server)
		if _, err := midas.Restore(t.Context(), to, file, midas.RestoreOptions{Tokens: tokens}); err != nil {
			t.Fatal(err)
		}
		copyFiles(t, from.Data, to.Data, "master.key", "admin.json")
		next := start(t, to)
		c := administrator(t, to.Data)
		if status, body := bearerRequest(t, c, token, "GET", c.Admin.Endpoint+"/subscriptions?api-version=2022-12-01", ""); status != want {
			t.Errorf("%s: %d %s", tokens, status, body)
		}
		armToken(t, c) // a new one can be got
		shutdown(t, next)
	}
}

// TestNoCommandWritesIntoAnUnfinishedRestore checks that neither a server nor a command uses the store.
func TestNoCommandWritesIntoAnUnfinishedRestore(t *testing.T) {
	cfg := durable(t)
	shutdown(t, start(t, cfg))
	edit(t, filepath.Join(cfg.Data, "store"), func(tx store.Tx) error {
		tx.Put(store.RestoringKind.Keys, []byte(`{"v":1,"id":"x"}`))
		return nil
	})
	before := dumped(t, cfg)
	_, started := midas.Start(t.Context(), cfg)
	_, rotated := midas.RotateKeys(t.Context(), cfg)
	_, imported := midas.ImportRoles(t.Context(), cfg, strings.NewReader("[]"))
	_, saved := midas.Backup(t.Context(), cfg, filepath.Join(t.TempDir(), "x"), nil)
	for what, err := range map[string]error{"start": started, "rotate": rotated, "import": imported, "backup": saved} {
		if !errors.Is(err, store.ErrRestoring) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if found := checked(t, cfg); !strings.Contains(found, "m/restoring") {
		t.Errorf("check: %s", found)
	}
	if dumped(t, cfg) != before {
		t.Error("the store was changed")
	}
}

// facts are what a golden folder's json file says about it.
type facts struct {
	Token, Group, CASum string
	Identity            struct {
		ID         string
		Properties struct{ PrincipalID, ClientID string }
	}
	Machine struct {
		ID       string
		Identity struct{ PrincipalID string }
	}
}

// TestDataFoldersOfEarlierReleasesOpen opens a copy of each folder in testdata/golden: identities, the authority and
// the credentials stay, and the signature of a token of then can be verified.
func TestDataFoldersOfEarlierReleasesOpen(t *testing.T) {
	all, err := filepath.Glob("testdata/golden/*.tar.gz")
	if err != nil || len(all) == 0 {
		t.Fatalf("no golden folders: %v", err)
	}
	for _, archive := range all {
		t.Run(filepath.Base(archive), func(t *testing.T) { openGolden(t, archive) })
	}
}

func openGolden(t *testing.T, archive string) {
	text, err := os.ReadFile(strings.TrimSuffix(archive, ".tar.gz") + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var want facts
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cfg := quiet(t)
	cfg.Store, cfg.Data = "", filepath.Join(dir, "data")
	if found := checked(t, cfg); found != "" {
		t.Errorf("findings before the start: %s", found)
	}
	start(t, cfg)
	c := administrator(t, cfg.Data)
	token := armToken(t, c)
	ca, err := os.ReadFile(filepath.Join(cfg.Data, "ca.pem"))
	if sum := sha256.Sum256(ca); err != nil || hex.EncodeToString(sum[:]) != want.CASum {
		t.Errorf("the authority has changed: %v", err)
	}
	status, body := bearerRequest(t, c, token, "GET", c.Admin.Endpoint+want.Identity.ID+"?api-version=2023-01-31", "")
	if status != http.StatusOK || !strings.Contains(body, want.Identity.Properties.PrincipalID) || !strings.Contains(body, want.Identity.Properties.ClientID) {
		t.Errorf("the identity: %d %s", status, body)
	}
	status, body = bearerRequest(t, c, token, "GET", c.Admin.Endpoint+want.Machine.ID+"?api-version=2024-07-01", "")
	if status != http.StatusOK || !strings.Contains(body, want.Machine.Identity.PrincipalID) || !strings.Contains(body, want.Identity.Properties.PrincipalID) {
		t.Errorf("the machine: %d %s", status, body)
	}
	for path, has := range map[string]string{
		want.Identity.ID + "/federatedIdentityCredentials?api-version=2023-01-31":                                                     "https://issuer.example",
		want.Group + "/providers/Microsoft.Authorization/locks?api-version=2020-05-01":                                                "keep",
		"/providers/Microsoft.Management/managementGroups/platform?api-version=2021-04-01":                                            "Platform",
		want.Group + "/providers/Microsoft.Compute/virtualMachineScaleSets?api-version=2024-07-01":                                    "set1",
		want.Group + "/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-04-01&$filter=type%20eq%20%27CustomRole%27": "Golden",
	} {
		if status, body := bearerRequest(t, c, token, "GET", c.Admin.Endpoint+path, ""); status != http.StatusOK || !strings.Contains(body, has) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	verifyOld(t, cfg, want.Token)
	if found := checked(t, cfg); found != "" {
		t.Errorf("findings: %s", found)
	}
}

// verifyOld verifies the signature of a token that has expired since.
func verifyOld(t *testing.T, cfg midas.Config, token string) {
	t.Helper()
	var out bytes.Buffer
	var set jose.JSONWebKeySet
	if err := midas.ExportKeys(t.Context(), cfg, false, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 {
		t.Fatalf("the key of the token is not published: %s", out.String())
	}
	if _, err := signed.Verify(keys[0].Key); err != nil {
		t.Error(err)
	}
}
