//go:build e2e && cluster

package e2e

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"midas"
	"midas/internal/client"
	"midas/internal/store/servertest"
)

// TestTheMasterKeyIsChangedOnSharedEngines while servers use an etcd or a PostgreSQL, with the store key and without.
func TestTheMasterKeyIsChangedOnSharedEngines(t *testing.T) {
	for name, location := range map[string]func(*testing.T) string{
		"etcd":     func(t *testing.T) string { return "etcd://" + servertest.Etcd(t, 1).Endpoints[0] + "/midas" },
		"postgres": func(t *testing.T) string { return servertest.Postgres(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			at, dir := location(t), t.TempDir()
			first := filepath.Join(dir, "first")
			if err := os.WriteFile(first, []byte(strings.Repeat("b", 64)), 0o600); err != nil {
				t.Fatal(err)
			}
			var all []midas.Config
			begin := func(key string) error {
				cfg := midas.Config{
					Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", Store: at, Origin: "https://localhost:8443",
					MasterKey: midas.MasterKeyConfig{File: key}, Logger: slog.New(slog.DiscardHandler),
				}
				s, err := midas.Start(t.Context(), cfg)
				if err == nil {
					t.Cleanup(func() { _ = s.Close() })
					all = append(all, cfg)
				}
				return err
			}
			for range 2 {
				if err := begin(first); err != nil {
					t.Fatal(err)
				}
			}
			for file, storeKey := range map[string]bool{"second": false, "third": true} {
				to := filepath.Join(dir, file)
				done, err := midas.ResealKeys(t.Context(), all[len(all)-1], midas.Reseal{To: to, StoreKey: storeKey})
				if err != nil || done.StoreKey != storeKey {
					t.Fatalf("%+v, %v", done, err)
				}
				for _, cfg := range all { // those that run go on
					c, err := client.Open(cfg.Data)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := c.Token(t.Context(), "https://management.azure.com"); err != nil {
						t.Errorf("a token after the change: %v", err)
					}
				}
				if err := begin(first); err == nil || !strings.Contains(err.Error(), "is not the one") {
					t.Errorf("a start with the old key: %v", err)
				}
				if err := begin(to); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
