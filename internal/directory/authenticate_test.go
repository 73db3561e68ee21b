package directory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/clock"
	"midas/internal/directory"
	"midas/internal/store"
)

const secret = directory.SecretText("q7W~correct-horse-battery-staple")

func newSecret(t testing.TB, keyID string, text directory.SecretText, from, to time.Duration) directory.Secret {
	t.Helper()
	s, err := directory.NewSecret(keyID, text, now.Add(from), now.Add(to))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAuthenticate(t *testing.T) {
	d := newDirectory(t)
	year := 365 * 24 * time.Hour
	add := func(appID string, p directory.ServicePrincipal, secrets ...directory.Secret) {
		do(t, d, func(tx store.Tx) error {
			p.ID, p.AppID = "sp-"+appID, appID
			return errors.Join(
				d.CreateApplication(tx, directory.Application{ID: "app-" + appID, AppID: appID, TenantID: tenant, Secrets: secrets}),
				d.CreateServicePrincipal(tx, p))
		})
	}
	good := newSecret(t, "good", secret, -year, year)
	over := newSecret(t, "over", "over-and-out-0123456789", -year, 0)
	early := newSecret(t, "early", "not-before-tomorrow-01", time.Hour, year)
	disabled := principal()
	disabled.Enabled, disabled.DisplayName = false, "off"
	managed := principal()
	managed.Type = directory.TypeManagedIdentity
	managed.ID, managed.AppID = "sp-managed", "managed"

	add("one", principal(), good)
	add("several", principal(), over, early, good)
	add("bare", principal())
	add("off", disabled, good)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, managed),
			d.CreateApplication(tx, directory.Application{ID: "app-alone", AppID: "alone", TenantID: tenant, Secrets: []directory.Secret{good}}))
	})

	tests := []struct {
		name, tenant, app string
		text              directory.SecretText
		want              error
	}{
		{"the right secret", tenant, "one", secret, nil},
		{"ids in capitals", strings.ToUpper(tenant), "ONE", secret, nil},
		{"one of several secrets", tenant, "several", secret, nil},
		{"a wrong secret", tenant, "one", "q7W~correct-horse-battery-stapler", directory.ErrWrongSecret},
		{"the secret's case changed", tenant, "one", directory.SecretText(strings.ToUpper(string(secret))), directory.ErrWrongSecret},
		{"the secret with a space", tenant, "one", secret + " ", directory.ErrWrongSecret},
		{"no secret", tenant, "one", "", directory.ErrWrongSecret},
		{"a huge secret", tenant, "one", directory.SecretText(strings.Repeat("x", 1<<16)), directory.ErrWrongSecret},
		{"the hash as the secret", tenant, "one", directory.SecretText(good.Hash), directory.ErrWrongSecret},
		{"a secret that has ended", tenant, "several", "over-and-out-0123456789", directory.ErrExpiredSecret},
		{"a secret that has not begun", tenant, "several", "not-before-tomorrow-01", directory.ErrExpiredSecret},
		{"an application without secrets", tenant, "bare", secret, directory.ErrWrongSecret},
		{"an application without secrets, and none given", tenant, "bare", "", directory.ErrWrongSecret},
		{"a disabled principal", tenant, "off", secret, directory.ErrDisabled},
		{"a disabled principal, wrong secret", tenant, "off", "wrong", directory.ErrWrongSecret},
		{"nobody", tenant, "nobody", secret, directory.ErrUnknownApplication},
		{"nobody, with what the decoy could be taken for", tenant, "nobody", directory.SecretText(make([]byte, 32)), directory.ErrUnknownApplication},
		{"another tenant", other, "one", secret, directory.ErrUnknownApplication},
		{"a managed identity", tenant, "managed", secret, directory.ErrUnknownApplication},
		{"an application without principal", tenant, "alone", secret, directory.ErrUnknownApplication},
		{"a huge client id", tenant, strings.Repeat("x", 1<<16), secret, directory.ErrUnknownApplication},
		{"no client id", tenant, "", secret, directory.ErrUnknownApplication},
		{"a client id that climbs", tenant, "../app/one", secret, directory.ErrUnknownApplication},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := d.Authenticate(t.Context(), test.tenant, test.app, test.text)
			if !errors.Is(err, test.want) {
				t.Fatalf("error %v, want %v", err, test.want)
			}
			var want directory.ServicePrincipal
			switch test.want {
			case nil:
				want = principal()
				want.AppID = strings.ToLower(test.app)
				want.ID = "sp-" + want.AppID
			case directory.ErrDisabled:
				want = disabled
				want.ID, want.AppID = "sp-off", "off"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("principal (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSecretsCanBeAddedAndRemoved(t *testing.T) {
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()), d.CreateApplication(tx, application()))
	})
	s := newSecret(t, "k1", secret, -time.Hour, time.Hour)
	add := func(s directory.Secret) error {
		return update(t, d, func(tx store.Tx) error { return d.AddSecret(tx, tenant, client, s) })
	}
	remove := func(keyID string) error {
		return update(t, d, func(tx store.Tx) error { return d.RemoveSecret(tx, tenant, client, keyID) })
	}
	if err := add(s); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), tenant, client, secret); err != nil {
		t.Errorf("with the new secret: %v", err)
	}
	if err := add(s); !errors.Is(err, directory.ErrExists) {
		t.Errorf("added twice: %v, want ErrExists", err)
	}
	if err := add(directory.Secret{}); err != nil {
		t.Fatal(err)
	}
	if err := add(directory.Secret{KeyID: d.NewID()}); !errors.Is(err, directory.ErrExists) {
		t.Errorf("a secret without key id did not get a new one: %v", err)
	}
	for i := range 18 {
		if err := add(directory.Secret{KeyID: fmt.Sprint("more", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(directory.Secret{KeyID: "too many"}); !errors.Is(err, directory.ErrTooManySecrets) {
		t.Errorf("the 21st: %v, want ErrTooManySecrets", err)
	}
	if err := remove("K1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Authenticate(t.Context(), tenant, client, secret); !errors.Is(err, directory.ErrWrongSecret) {
		t.Errorf("with the removed secret: %v, want ErrWrongSecret", err)
	}
	if err := remove("k1"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("removed twice: %v, want ErrNotFound", err)
	}
	if err := update(t, d, func(tx store.Tx) error { return d.AddSecret(tx, tenant, "nobody", s) }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("for nobody: %v, want ErrNotFound", err)
	}
	got, err := view(t, d, func(tx store.Tx) (directory.Application, error) { return d.Application(tx, tenant, appOID) })
	if err != nil || len(got.Secrets) != 19 {
		t.Errorf("by object id: %d secrets, %v; want 19", len(got.Secrets), err)
	}
}

func TestNewSecretRefusesWeakSecrets(t *testing.T) {
	tests := map[string]struct {
		text directory.SecretText
		ok   bool
	}{
		"generated":            {directory.GenerateSecret(), true},
		"chosen well":          {secret, true},
		"the shortest":         {"abcdefgh12345678", true},
		"too short":            {"abcdefgh1234567", false},
		"empty":                {"", false},
		"one letter":           {directory.SecretText(strings.Repeat("a", 40)), false},
		"seven letters":        {"abcdefgabcdefgabcdefg", false},
		"too long":             {directory.SecretText(strings.Repeat("abcdefgh", 129)), false},
		"with a line break":    {"abcdefgh12345678\n", false},
		"of other alphabets":   {"Пароль-достаточно-длинный", true},
		"with half characters": {"ab\xffcdefgh12345678", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := directory.NewSecret("k", test.text, now, now.Add(1))
			if test.ok != (err == nil) || err != nil && !errors.Is(err, directory.ErrWeakSecret) {
				t.Errorf("error %v, want ok = %v", err, test.ok)
			}
		})
	}
	if _, err := directory.NewSecret("k", secret, now, now); err == nil {
		t.Error("a secret that ends as it starts is accepted")
	}
}

func TestGeneratedSecretsDifferAndAreSafeInURLs(t *testing.T) {
	seen := map[directory.SecretText]bool{}
	shape := regexp.MustCompile(`^[A-Z2-7]{40}$`)
	for range 100 {
		s := directory.GenerateSecret()
		if !shape.MatchString(string(s)) || seen[s] {
			t.Fatalf("%q is repeated or of another shape", string(s))
		}
		seen[s] = true
	}
}

func TestEqualSecretsAreStoredDifferently(t *testing.T) {
	a, b := newSecret(t, "k", secret, 0, 1), newSecret(t, "k", secret, 0, 1)
	if bytes.Equal(a.Hash, b.Hash) || bytes.Equal(a.Salt, b.Salt) {
		t.Error("two records of one secret are equal")
	}
	if a.Hint != "q7W" {
		t.Errorf("hint %q, want the first three characters", a.Hint)
	}
}

func TestSecretsDoNotPrintThemselves(t *testing.T) {
	record := newSecret(t, "k1", secret, 0, 1)
	app := application()
	app.Secrets = []directory.Secret{record}
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "text", secret, "record", record)
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "text", secret, "record", record)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+verb, secret, record)
		fmt.Fprintf(&out, verb, app)
		fmt.Fprintf(&out, verb, struct{ Text directory.SecretText }{secret})
	}
	if err := json.NewEncoder(&out).Encode(struct{ Text directory.SecretText }{secret}); err != nil {
		t.Fatal(err)
	}
	hash, _ := json.Marshal(record.Hash)
	for _, leak := range []string{string(secret), fmt.Sprintf("%x", string(secret)), string(hash), fmt.Sprint(record.Hash), fmt.Sprintf("%x", record.Hash)} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is printed in\n%s", leak, out.String())
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	d := newDirectory(b)
	app := application()
	app.Secrets = []directory.Secret{newSecret(b, "k", secret, -time.Hour, time.Hour)}
	do(b, d, func(tx store.Tx) error {
		return errors.Join(d.CreateServicePrincipal(tx, principal()), d.CreateApplication(tx, app))
	})
	for name, c := range map[string]struct {
		app  string
		text directory.SecretText
	}{"right": {client, secret}, "wrong": {client, "wrong"}, "unknown": {"nobody", secret}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = d.Authenticate(b.Context(), tenant, c.app, c.text)
			}
		})
	}
}

// A secret or certificate is valid if it starts within clock.Skew from now, and not if it starts in an hour.
func TestStartOfCredentialsAllowsForSkew(t *testing.T) {
	d := newDirectory(t)
	for from, want := range map[time.Duration]error{time.Minute: nil, clock.Skew - time.Second: nil, time.Hour: directory.ErrExpiredSecret} {
		app := "from-" + from.String()
		p := principal()
		p.ID, p.AppID = "sp-"+app, app
		do(t, d, func(tx store.Tx) error {
			return errors.Join(
				d.CreateApplication(tx, directory.Application{
					ID: "id-" + app, AppID: app, TenantID: tenant,
					Secrets: []directory.Secret{newSecret(t, "key", secret, from, 24*time.Hour)},
				}),
				d.CreateServicePrincipal(tx, p))
		})
		if _, err := d.Authenticate(t.Context(), tenant, app, secret); !errors.Is(err, want) {
			t.Errorf("a secret that begins in %v: %v, want %v", from, err, want)
		}
	}
}
