package seal_test

import (
	"bytes"
	"errors"
	"testing"

	"midas/internal/seal"
)

func sealer(t *testing.T, master byte, purpose string) *seal.Sealer {
	t.Helper()
	return sealerOf(t, seal.MasterKey{master}, purpose)
}

func sealerOf(t *testing.T, master seal.MasterKey, purpose string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(master, purpose)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealedValueOpensOnlyForItsPurposeAndContext(t *testing.T) {
	sealed := sealer(t, 1, "a").Seal("r/1", []byte("hello"))
	if bytes.Contains(sealed, []byte("hello")) {
		t.Error("the value is readable")
	}
	got, err := sealer(t, 1, "a").Open("r/1", sealed)
	if err != nil || string(got) != "hello" {
		t.Errorf("opened %q, %v", got, err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another context": func() ([]byte, error) { return sealer(t, 1, "a").Open("r/2", sealed) },
		"another purpose": func() ([]byte, error) { return sealer(t, 1, "b").Open("r/1", sealed) },
		"another master":  func() ([]byte, error) { return sealer(t, 2, "a").Open("r/1", sealed) },
		"a changed value": func() ([]byte, error) { return sealer(t, 1, "a").Open("r/1", changed) },
		"nothing":         func() ([]byte, error) { return sealer(t, 1, "a").Open("r/1", nil) },
	} {
		if got, err := open(); !errors.Is(err, seal.ErrSealed) || got != nil {
			t.Errorf("%s: opened %q, %v", name, got, err)
		}
	}
}
