package token_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/token"
)

func TestKeysAreCreatedOnce(t *testing.T) {
	f := newFixture(t)
	again := f.open(t)
	if diff := cmp.Diff(f.keys.PublicKeys(""), again.PublicKeys("")); diff != "" {
		t.Errorf("the second start has different keys (-first +second):\n%s", diff)
	}
	if raw := f.mint(t, f.claims()); raw != "" {
		v := token.Verifier{Keys: again, Now: f.clock.Now, Origin: origin}
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("the second start refuses the first one's token: %v", err)
		}
	}
}

func TestProcessesThatStartTogetherShareOneFirstKey(t *testing.T) {
	f := newFixture(t)
	if err := empty(t, f.store); err != nil {
		t.Fatal(err)
	}
	signers := make([]string, 4)
	var wg sync.WaitGroup
	for i := range signers {
		wg.Go(func() {
			if keys, err := token.OpenKeys(t.Context(), f.cfg); err != nil {
				t.Error(err)
			} else {
				signers[i] = strings.Join(published(keys), " ")
			}
		})
	}
	wg.Wait()
	for _, s := range signers {
		if s != signers[0] || s == "" {
			t.Fatalf("the processes have different keys: %q", signers)
		}
	}
}

// empty removes all keys from a store.
func empty(t *testing.T, st store.Store) error {
	_, err := st.Update(t.Context(), func(tx store.Tx) error {
		for rec, err := range tx.Scan(store.Range{Prefix: "k/"}) {
			if err != nil {
				return err
			}
			tx.Delete(rec.Key)
		}
		return nil
	})
	return err
}

func TestOpenKeysRefusesDamagedRows(t *testing.T) {
	f := newFixture(t)
	kid := f.keys.Signer()
	row := func(t *testing.T) (rec store.Record) {
		err := f.store.View(t.Context(), func(tx store.Tx) (err error) {
			rec, err = tx.Get("k/" + kid)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}(t)
	edit := func(path string, value any) []byte {
		var m map[string]any
		if err := json.Unmarshal(row.Value, &m); err != nil {
			t.Fatal(err)
		}
		m[path] = value
		out, _ := json.Marshal(m)
		return out
	}
	sealed := edit("sealed", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 1200)))
	tests := []struct {
		name   string
		master seal.MasterKey
		key    string
		value  []byte
		want   error
		says   string
	}{
		{name: "another master key", master: seal.MasterKey{9}, key: row.Key, value: row.Value, want: token.ErrMaster, says: "another master key"},
		{name: "a damaged seal", master: master, key: row.Key, value: sealed, want: token.ErrMaster, says: "damaged"},
		{name: "a row under another name", master: master, key: "k/other", value: row.Value, says: "names"},
		{name: "a key with another kid in row and record key", master: master, key: "k/other", value: edit("kid", "other"), want: token.ErrMaster},
		{name: "a row of a newer version", master: master, key: row.Key, value: edit("v", 2), says: "newer"},
		{name: "a row that is not JSON", master: master, key: row.Key, value: []byte("{"), says: "read signing key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.store.Update(t.Context(), func(tx store.Tx) error {
				tx.Delete("k/other")
				tx.Put(row.Key, row.Value)
				tx.Put(test.key, test.value)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			cfg := f.cfg
			cfg.Master = test.master
			_, err = token.OpenKeys(t.Context(), cfg)
			if err == nil {
				t.Fatal("OpenKeys succeeded")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("error %q is not %q", err, test.want)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q does not say %q", err, test.says)
			}
		})
	}
}

func TestOpenKeysRefusesInvalidConfig(t *testing.T) {
	f := newFixture(t)
	tests := map[string]func(*token.KeysConfig){
		"no store":            func(c *token.KeysConfig) { c.Store = nil },
		"no clock":            func(c *token.KeysConfig) { c.Now = nil },
		"no token lifetime":   func(c *token.KeysConfig) { c.MaxTokenLifetime = 0 },
		"negative rotation":   func(c *token.KeysConfig) { c.RotateEvery = -1 },
		"negative publishing": func(c *token.KeysConfig) { c.PublishBefore = -1 },
		"too many keys":       func(c *token.KeysConfig) { c.RotateEvery, c.PublishBefore = time.Hour, time.Minute },
		"no time to publish":  func(c *token.KeysConfig) { c.PublishBefore = c.RotateEvery },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := f.cfg
			spoil(&cfg)
			if _, err := token.OpenKeys(t.Context(), cfg); err == nil {
				t.Error("OpenKeys succeeded")
			}
		})
	}
}

// TestRotationOverlaps checks two keys from creation to removal.
func TestRotationOverlaps(t *testing.T) {
	f := newFixture(t)
	first := f.keys.Signer()
	second, err := f.keys.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const superseded = day // after start, when the second key begins to sign
	tests := []struct {
		name      string
		at        time.Duration
		signs     string
		published []string
	}{
		{"a new key is published and does not sign", 0, first, []string{first, second}},
		{"just before signFrom the new key does not sign", superseded - 1, first, []string{first, second}},
		{"at signFrom the new key signs and the old key stays published", superseded, second, []string{first, second}},
		{"the old key is published until its last token has expired", superseded + day + 5*time.Minute - 1, second, []string{first, second}},
		{"the old key is removed after its last token has expired", superseded + day + 5*time.Minute, second, []string{second}},
		{"the last key stays published", 100 * month, second, []string{second}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.clock.Set(start.Add(test.at))
			if got := f.keys.Signer(); got != test.signs {
				t.Errorf("signs %s, want %s", got, test.signs)
			}
			if diff := cmp.Diff(test.published, published(f.keys)); diff != "" {
				t.Errorf("key set (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLastTokenOfAKeyIsValidUntilItExpires(t *testing.T) {
	f := newFixture(t)
	first := f.keys.Signer()
	if _, err := f.keys.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(day - time.Nanosecond) // the last nanosecond in which the first key signs
	c := f.claims()
	c.Expires = f.clock.Now().Add(day)
	raw := f.mint(t, c)
	if got := header(t, raw)["kid"]; got != first {
		t.Fatalf("signed by %v, want the first key %s", got, first)
	}
	f.clock.Advance(day - 2*time.Second)
	if _, err := f.verifier.Verify(t.Context(), raw); err != nil {
		t.Errorf("refused before it expires: %v", err)
	}
	f.clock.Advance(2 * time.Second)
	if _, err := f.verifier.Verify(t.Context(), raw); !errors.As(err, new(*token.ExpiredError)) {
		t.Errorf("after exp: %v, want an ExpiredError", err)
	}
}

func TestWithdrawnKeysAreReplaced(t *testing.T) {
	f := newFixture(t)
	first := f.keys.Signer()
	raw := f.mint(t, f.claims())
	if _, err := f.verifier.Verify(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if err := f.keys.Withdraw(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := f.verifier.Verify(t.Context(), raw); !errors.Is(err, token.ErrUnknownKey) {
		t.Errorf("a verified token of the withdrawn key: %v, want ErrUnknownKey", err)
	}
	again := f.mint(t, f.claims())
	if got := header(t, again)["kid"]; got == first {
		t.Error("the withdrawn key still signs")
	}
	if _, err := f.verifier.Verify(t.Context(), again); err != nil {
		t.Errorf("the successor's token is refused: %v", err)
	}
	if err := f.keys.Withdraw(t.Context(), first); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("withdrawn twice: %v, want ErrNotFound", err)
	}
}

func TestPublishedKeysAreBounded(t *testing.T) {
	f := newFixture(t)
	var err error
	for range 10 {
		if _, err = f.keys.Rotate(t.Context()); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("11 keys are published at once")
	}
	if got := len(f.keys.PublicKeys("")); got != 8 {
		t.Errorf("%d keys, want 8", got)
	}
	f.clock.Advance(3 * day) // the tokens of all keys but the last have expired
	if _, err := f.keys.Rotate(t.Context()); err != nil {
		t.Errorf("rotation after the old keys have expired: %v", err)
	}
}

func TestPublicKeysAreAsEntraPublishesThem(t *testing.T) {
	f := newFixture(t)
	key := f.keys.PublicKeys("https://issuer.test/{tenantid}/v2.0")[0]
	der, err := base64.StdEncoding.DecodeString(key.Certificates[0])
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(der)
	thumbprint := base64.RawURLEncoding.EncodeToString(sum[:])
	want := token.PublicKey{
		KeyType: "RSA", Use: "sig", KeyID: thumbprint, Thumbprint: thumbprint, Exponent: "AQAB",
		Modulus: key.Modulus, Certificates: key.Certificates, Issuer: "https://issuer.test/{tenantid}/v2.0",
	}
	if diff := cmp.Diff(want, key); diff != "" {
		t.Errorf("public key (-want +got):\n%s", diff)
	}
	if err := cert.CheckSignatureFrom(cert); err == nil {
		t.Error("the certificate is a CA certificate")
	}
	plain, err := json.Marshal(f.keys.PublicKeys(""))
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{`"d"`, `"p"`, `"q"`, `"dp"`, `"issuer"`} {
		if bytes.Contains(plain, []byte(private)) {
			t.Errorf("the key set has a field %s", private)
		}
	}
}

// TestRunSynchronizesReplicas runs two processes on one store for a day with a rotation every four hours.
func TestRunSynchronizesReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.cfg.Now = time.Now
		f.cfg.RotateEvery, f.cfg.PublishBefore, f.cfg.MaxTokenLifetime = 4*time.Hour, time.Hour, time.Hour
		if err := empty(t, f.store); err != nil {
			t.Fatal(err)
		}
		a, b := f.open(t), f.open(t)
		ctx, stop := contextWithStop(t)
		var wg sync.WaitGroup
		for _, k := range []*token.Keys{a, b} {
			wg.Go(func() {
				if err := k.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		}
		signers := map[string]bool{}
		for range 23 {
			time.Sleep(time.Hour)
			synctest.Wait()
			if diff := cmp.Diff(published(a), published(b)); diff != "" {
				t.Fatalf("the replicas publish different keys (-a +b):\n%s", diff)
			}
			if n := len(published(a)); n > 2 {
				t.Fatalf("%d keys are published, want one or two", n)
			}
			if a.Signer() != b.Signer() {
				t.Fatal("the replicas sign with different keys")
			}
			signers[a.Signer()] = true
		}
		if len(signers) != 6 {
			t.Errorf("%d keys have signed in 23 hours, want 6", len(signers))
		}
		if kid, err := a.Rotate(ctx); err != nil {
			t.Error(err)
		} else {
			synctest.Wait()
			if got := published(b); !slices.Contains(got, kid) {
				t.Errorf("the other replica publishes %v, the new key %s is missing", got, kid)
			}
		}
		stop()
		wg.Wait()
	})
}
