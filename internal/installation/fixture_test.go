package installation_test

import (
	"encoding/base64"
	"log/slog"
	"os"
	"strings"
	"testing"

	"midas/internal/store"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return data
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func base64Of(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// dump is the whole store in text.
func dump(t *testing.T, st store.Store) string {
	t.Helper()
	var out strings.Builder
	if err := store.Dump(t.Context(), st, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
