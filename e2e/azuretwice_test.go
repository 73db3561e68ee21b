//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// TestTwoAzureCLIsRefreshAtTheSameTime runs two commands at once that have read the same refresh token from the
// cache. Each gets the cache in a folder of its own, because commands that share the folder read the same
// token only sometimes. Both must be able to refresh again later.
func TestTwoAzureCLIsRefreshAtTheSameTime(t *testing.T) {
	w := world(t)
	w.run = []string{midasBinary(t), "exec", "--keep-azure-config", "--data", w.data, "--"}
	first, second := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	both := []*azureCLI{w.withFolder(first), w.withFolder(second)}
	both[0].want(t, w.SubscriptionID, "[0].id", "login", "-u", w.UserName, "-p", w.UserPassword)
	if err := os.CopyFS(second, os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		resource := fmt.Sprintf("https://api%d.example", round) // no access token of it is cached
		var wg sync.WaitGroup
		for i, az := range both {
			wg.Go(func() {
				out, errs, err := az.try(t, "account", "get-access-token", "--resource", resource, "--query", "tokenType", "-o", "tsv")
				if err != nil || out != "Bearer\n" {
					t.Errorf("round %d, command %d: %v\n%s%s", round, i, err, out, errs)
				}
			})
		}
		wg.Wait()
	}
}

// withFolder returns Azure CLI with another configuration folder.
func (w *azureCLI) withFolder(folder string) *azureCLI {
	other := *w
	other.env = append(slices.Clone(w.env), "AZURE_CONFIG_DIR="+folder)
	return &other
}
