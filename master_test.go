package midas_test

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/client"
	"midas/internal/store"
)

// TestStoreIsRefusedWithoutItsMasterKey starts servers with a master key that is missing, truncated, empty
// or another store's. It is never replaced, and neither the store nor the folder is changed.
func TestStoreIsRefusedWithoutItsMasterKey(t *testing.T) {
	for name, c := range map[string]struct {
		key  string // empty: none
		says string
	}{
		"lost":      {"", "there is no master key"},
		"another":   {strings.Repeat("ab", 32) + "\n", "is not the one"},
		"cut off":   {strings.Repeat("ab", 31), "is damaged"},
		"empty":     {" ", "is damaged"},
		"not a key": {"hello", "is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := quiet(t)
			cfg.Store = ""
			shutdown(t, start(t, cfg))
			before := dumped(t, cfg)
			file := filepath.Join(cfg.Data, "master.key")
			kept, err := os.ReadFile(file)
			if err == nil && c.key == "" {
				err = os.Remove(file)
			} else if err == nil {
				err = os.WriteFile(file, []byte(c.key), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			files := contents(t, cfg.Data)
			for range 2 {
				_, err = midas.Start(t.Context(), cfg)
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "midas keys reset") || !strings.Contains(err.Error(), "backup") {
					t.Errorf("start: %v", err)
				}
			}
			if _, err := midas.RotateKeys(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("rotate: %v", err)
			}
			if contents(t, cfg.Data) != files {
				t.Error("the folder was changed")
			}
			if err := os.WriteFile(file, kept, 0o600); err != nil {
				t.Fatal(err)
			}
			if after := dumped(t, cfg); after != before {
				t.Errorf("the store was changed:\n%s\n%s", before, after)
			}
			shutdown(t, start(t, cfg))
		})
	}
}

// TestKeysResetInvalidatesAllTokensAndKeepsTheRest, with the old master key or without it.
func TestKeysResetInvalidatesAllTokensAndKeepsTheRest(t *testing.T) {
	for _, lost := range []bool{true, false} {
		cfg := quiet(t)
		cfg.Store = ""
		s := start(t, cfg)
		c := administrator(t, cfg.Data)
		old, err := c.Token(t.Context(), "https://management.azure.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := midas.ResetKeys(t.Context(), cfg, false); err == nil || !strings.Contains(err.Error(), "stop it") {
			t.Errorf("beside a server: %v", err)
		}
		shutdown(t, s)
		edit(t, filepath.Join(cfg.Data, "store"), func(tx store.Tx) error {
			tx.Put("d/t/rt/x", []byte(`{"v":1}`))
			tx.Put("d/t/user/x", []byte(`{"v":1}`))
			tx.Put("d//usercode/x", []byte(`{"v":1}`))
			return nil
		})
		file := filepath.Join(cfg.Data, "master.key")
		was, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if lost {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		out, err := midas.ResetKeys(t.Context(), cfg, false)
		if err != nil || out.KeyID == "" || out.Grants != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		is, err := os.ReadFile(file)
		if key, bad := hex.DecodeString(strings.TrimSpace(string(is))); err != nil || bad != nil || len(key) != 32 || string(is) == string(was) {
			t.Errorf("master key: %q, before %q (%v)", is, was, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
		start(t, cfg)
		c = administrator(t, cfg.Data)
		if status := subscriptions(t, c, old); status != 401 {
			t.Errorf("an old token: %d", status)
		}
		fresh, err := c.Token(t.Context(), "https://management.azure.com")
		if err != nil {
			t.Fatal(err)
		}
		if status := subscriptions(t, c, fresh); status != 200 {
			t.Errorf("a new token: %d", status)
		}
		all := dumped(t, cfg)
		if strings.Contains(all, `"d/t/rt/x"`) || !strings.Contains(all, `"d/t/user/x"`) || strings.Count(all, `"key":"k/`) != 2 {
			t.Errorf("lost %v: %s", lost, all)
		}
	}
}

func TestKeysResetNeedsAFolder(t *testing.T) {
	cfg := quiet(t)
	cfg.Store = ""
	if _, err := midas.ResetKeys(t.Context(), cfg, false); err == nil || !strings.Contains(err.Error(), "--data") {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.Data); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it has made the folder")
	}
	cfg.Store = "memory:"
	if _, err := midas.ResetKeys(t.Context(), cfg, false); err == nil {
		t.Error("a store in memory was reset")
	}
}

func TestLooseFileModesAreFixedWithAWarning(t *testing.T) {
	cfg := quiet(t)
	shutdown(t, start(t, cfg))
	name := filepath.Join(cfg.Data, "admin.json")
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg)
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if !strings.Contains(s.Warning(), name) {
		t.Errorf("warning %q", s.Warning())
	}
}

// subscriptions asks ARM for the subscriptions with a token.
func subscriptions(t *testing.T, c *client.Client, token string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", c.Endpoint+"/subscriptions?api-version=2022-12-01", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.HTTP.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
