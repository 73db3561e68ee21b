package seal_test

import (
	"errors"
	"testing"

	"midas/internal/seal"
)

func TestPageTokensOpenOnlyForTheirList(t *testing.T) {
	pages := newPages(t)
	token := pages.Seal("list a", "last")
	if got, err := pages.Open("list a", token); err != nil || got != "last" {
		t.Fatalf("opened %q, %v", got, err)
	}
	for name, open := range map[string]func() (string, error){
		"another list": func() (string, error) { return pages.Open("list b", token) },
		"truncated":    func() (string, error) { return pages.Open("list a", token[:8]) },
		"garbage":      func() (string, error) { return pages.Open("list a", "%%%") },
		"changed":      func() (string, error) { return pages.Open("list a", "A"+token[1:]+"A") },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrSealed) {
			t.Errorf("%s: opened %q, %v", name, got, err)
		}
	}
}

func FuzzOpenPageToken(f *testing.F) {
	pages := newPages(f)
	f.Add(pages.Seal("list", "last")[:20])
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		if last, err := pages.Open("list", token); err == nil && last != "" {
			t.Fatalf("forged %q opens to %q", token, last)
		}
	})
}

func newPages(t testing.TB) *seal.Pages {
	t.Helper()
	pages, err := seal.NewPages(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
