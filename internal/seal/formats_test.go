package seal_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"midas/internal/seal"
)

// TestValuesOfEarlierVersionsOpen has values that Midas sealed before package seal existed. Stores and clients
// still hold such values.
func TestValuesOfEarlierVersionsOpen(t *testing.T) {
	master := seal.MasterKey{1, 2, 3}
	text, err := sealerOf(t, master, "midas sign-in").OpenText("refresh", "dDvh94292kdL6du1XvqtCWvNJmDHr7P2sjfyq2sPVZHKnqmRXA")
	if err != nil || string(text) != `{"a":"b"}` {
		t.Errorf("a refresh token opens as %q, %v", text, err)
	}
	pages, err := seal.NewPages(master)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := pages.Open("list", "6SeTu71Q_NGnvm6v4PJedL_FlNy6eh6-2ZI-Xtwh24w"); err != nil || last != "last" {
		t.Errorf("a page token opens as %q, %v", last, err)
	}
	keys, err := seal.NewUnderived(master)
	if err != nil {
		t.Fatal(err)
	}
	sealed, _ := hex.DecodeString("c0419508efaf1e83e2ba9f8ee043af4537059da634977661da2409af6dab53e5e489bf2a8babcbc0d7")
	if plain, err := keys.Open("kid", sealed); err != nil || string(plain) != "a signing key" {
		t.Errorf("a signing key opens as %q, %v", plain, err)
	}
	hasher, err := seal.NewHasher(master, "midas sign-in digest")
	if err != nil {
		t.Fatal(err)
	}
	if sum := hex.EncodeToString(hasher.Sum("familiar user", "t", "anna")); sum != "f4406bad25d611b55ba2d5d7967fb0bc15944e6f810bb79f8b3134c0c17a37b0" {
		t.Errorf("the hash of a user name is %s", sum)
	}
}

func TestOnlyCanonicalSealedTextOpens(t *testing.T) {
	s := sealer(t, 1, "a")
	text := s.SealText("c", []byte("hello"))
	for name, other := range map[string]string{
		"padded": text + "=", "with a line break": text + "\n", "too long": strings.Repeat("A", 20<<10), "empty": "",
	} {
		if plain, err := s.OpenText("c", other); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
	if plain, err := s.OpenText("c", text); err != nil || string(plain) != "hello" {
		t.Errorf("opened %q, %v", plain, err)
	}
}

func TestHashesDependOnKeyPurposeAndTextBoundaries(t *testing.T) {
	hash := func(master byte, purpose string, texts ...string) string {
		h, err := seal.NewHasher(seal.MasterKey{master}, purpose)
		if err != nil {
			t.Fatal(err)
		}
		return string(h.Sum(texts...))
	}
	one := hash(1, "a", "x", "y")
	if one != hash(1, "a", "x", "y") {
		t.Error("the same texts have two hashes")
	}
	for name, other := range map[string]string{
		"master key": hash(2, "a", "x", "y"), "purpose": hash(1, "b", "x", "y"), "text boundary": hash(1, "a", "xy", ""),
	} {
		if one == other {
			t.Errorf("another %s gives the same hash", name)
		}
	}
}

func TestMasterKeysAreRedactedWhenPrinted(t *testing.T) {
	key := seal.MasterKey{0x6b, 0x65, 0x79}
	var log bytes.Buffer
	// The time is left out, because its digits can be those of the key.
	options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	slog.New(slog.NewJSONHandler(&log, options)).Info("x", "master", key)
	slog.New(slog.NewTextHandler(&log, options)).Info("x", "master", key)
	fmt.Fprintf(&log, "%v %+v %#v %s %q", key, key, key, key, key)
	for _, secret := range []string{"107", "0x6b", "key\x00"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is printed in %s", secret, log.String())
		}
	}
}
