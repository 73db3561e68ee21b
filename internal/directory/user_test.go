package directory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	passwords "midas/internal/password"
	"midas/internal/store"
	"midas/internal/throttle"
)

const (
	userID   = "11111111-7f44-4a52-a3a7-0f2a3b4c5d6e"
	password = directory.PasswordText("Correct-horse-1")
)

func user() directory.User {
	return directory.User{ID: userID, TenantID: tenant, UserPrincipalName: "Ann@Contoso.Example", DisplayName: "Ann", Enabled: true, Created: now}
}

// hashed is a password's hash.
func hashed(t testing.TB, d *directory.Directory, pw directory.PasswordText) directory.PasswordHash {
	t.Helper()
	hash, err := d.HashPassword(context.Background(), pw, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func withUser(t testing.TB) *directory.Directory {
	d := newDirectory(t)
	hash := hashed(t, d, password)
	do(t, d, func(tx store.Tx) error { return d.CreateUser(tx, user(), hash) })
	return d
}

func TestAuthenticateUser(t *testing.T) {
	d := withUser(t)
	off, bare := user(), user()
	off.ID, off.UserPrincipalName, off.Enabled = "off", "off@contoso.example", false
	bare.ID, bare.UserPrincipalName = "bare", "bare@contoso.example"
	hash := hashed(t, d, password)
	do(t, d, func(tx store.Tx) error {
		return errors.Join(d.CreateUser(tx, off, hash), d.CreateUser(tx, bare, ""))
	})
	for _, test := range []struct {
		name, tenant, upn string
		password          directory.PasswordText
		want              error
	}{
		{"the right password", tenant, "Ann@Contoso.Example", password, nil},
		{"another spelling of the name", strings.ToUpper(tenant), "ANN@contoso.example", password, nil},
		{"a wrong password", tenant, "ann@contoso.example", "Correct-horse-2", directory.ErrWrongPassword},
		{"another case", tenant, "ann@contoso.example", "correct-horse-1", directory.ErrWrongPassword},
		{"no password", tenant, "ann@contoso.example", "", directory.ErrWrongPassword},
		{"more after the password", tenant, "ann@contoso.example", password + directory.PasswordText(strings.Repeat("x", 1<<16)), directory.ErrWrongPassword},
		{"nobody", tenant, "bob@contoso.example", password, directory.ErrUnknownUser},
		{"a huge name", tenant, strings.Repeat("x", 1<<13), password, directory.ErrUnknownUser},
		{"another tenant", other, "ann@contoso.example", password, directory.ErrUnknownUser},
		{"disabled", tenant, "off@contoso.example", password, directory.ErrUserDisabled},
		{"disabled, wrong password", tenant, "off@contoso.example", "x", directory.ErrWrongPassword},
		{"a user without a password", tenant, "bare@contoso.example", "", directory.ErrWrongPassword},
	} {
		u, err := d.AuthenticateUser(t.Context(), test.tenant, test.upn, test.password, throttle.Waiter{})
		if !errors.Is(err, test.want) || err == nil && u.ID != userID {
			t.Errorf("%s: %v, %v, want %v", test.name, u.ID, err, test.want)
		}
	}
}

func TestWeakPasswordsAreRejected(t *testing.T) {
	d := withUser(t)
	for pw, weak := range map[directory.PasswordText]bool{
		"Abcdefg1": false, "abcdef-1": false, "Abcdefgh": true, "abcdefg1": true, "Abc-1": true, "": true,
		"Abcdefg\x001": true, directory.PasswordText("A1" + strings.Repeat("a", 254)): false, directory.PasswordText("A1" + strings.Repeat("a", 255)): true,
	} {
		_, err := d.HashPassword(t.Context(), pw, throttle.Waiter{})
		if errors.Is(err, directory.ErrWeakPassword) != weak {
			t.Errorf("%d characters: %v", len(pw), err)
		}
	}
	for range 3 {
		generated := passwords.Generate()
		if len(generated) < 26 {
			t.Fatal("short")
		}
		if _, err := d.HashPassword(t.Context(), directory.PasswordText(generated), throttle.Waiter{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPasswordsAreRedacted(t *testing.T) {
	d := withUser(t)
	var log bytes.Buffer
	u, err := view(t, d, func(tx store.Tx) (directory.User, error) { return d.User(tx, tenant, userID) })
	if err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", password, "user", u)
	shown, err := json.Marshal(map[string]any{"password": password, "user": u})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %s %#v %+v", password, password, password, u), log.String(), string(shown)} {
		if strings.Contains(text, string(password)) || strings.Contains(text, "argon2id") {
			t.Error(text)
		}
	}
}

func TestNewPasswordRevokesTokensAndOtherChangesKeepThePassword(t *testing.T) {
	d := withUser(t)
	u := user()
	u.DisplayName, u.UserPrincipalName = "Anna", "anna@contoso.example"
	do(t, d, func(tx store.Tx) error { return d.UpdateUser(tx, u) })
	got, err := d.AuthenticateUser(t.Context(), tenant, "anna@contoso.example", password, throttle.Waiter{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(u, got); diff != "" {
		t.Error(diff)
	}
	if _, err := view(t, d, func(tx store.Tx) (directory.User, error) { return d.UserByName(tx, tenant, "ann@contoso.example") }); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("the old name: %v", err)
	}
	second := hashed(t, d, "Correct-horse-2")
	do(t, d, func(tx store.Tx) error { return d.SetPassword(tx, tenant, userID, second) })
	got, err = d.AuthenticateUser(t.Context(), tenant, "anna@contoso.example", "Correct-horse-2", throttle.Waiter{})
	if err != nil || !got.ValidFrom.After(now) {
		t.Errorf("valid from %s: %v", got.ValidFrom, err)
	}
	do(t, d, func(tx store.Tx) error { got.ValidFrom, got.Enabled = time.Time{}, false; return d.UpdateUser(tx, got) })
	if got, err = view(t, d, func(tx store.Tx) (directory.User, error) { return d.User(tx, tenant, userID) }); err != nil || !got.ValidFrom.After(now) {
		t.Errorf("disabled, but valid from %s: %v", got.ValidFrom, err)
	}
}

func TestUserNamesAreUniqueAndHaveADomain(t *testing.T) {
	d := withUser(t)
	second := user()
	second.ID = "second"
	for name, want := range map[string]error{
		"ANN@CONTOSO.EXAMPLE": directory.ErrExists, "ann": directory.ErrInvalid, "@contoso.example": directory.ErrInvalid, "ann@": directory.ErrInvalid,
		"a@b@c": directory.ErrInvalid, "a/b@c": directory.ErrInvalid, "a b@c": directory.ErrInvalid, "bob@contoso.example": nil,
	} {
		second.UserPrincipalName = name
		if err := update(t, d, func(tx store.Tx) error {
			if err := d.CreateUser(tx, second, ""); err != nil {
				return err
			}
			return errUndo
		}); !errors.Is(err, want) && !(want == nil && errors.Is(err, errUndo)) {
			t.Errorf("%q: %v, want %v", name, err, want)
		}
	}
	do(t, d, func(tx store.Tx) error { return d.DeleteUser(tx, tenant, userID) })
	second.UserPrincipalName = "ann@contoso.example"
	do(t, d, func(tx store.Tx) error { return d.CreateUser(tx, second, "") })
	if _, err := d.AuthenticateUser(t.Context(), tenant, "ann@contoso.example", password, throttle.Waiter{}); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("the password of before: %v", err)
	}
}

var errUndo = errors.New("undo")

// Hashing takes memory, so the number of concurrent hashes is limited.
func TestTooManySignInsAreBusy(t *testing.T) {
	d := withUser(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const crowd = 600
	var busy, wrong sync.Map
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range crowd {
		group.Go(func() {
			<-start
			ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			switch _, err := d.AuthenticateUser(ctx, tenant, "ann@contoso.example", "Wrong-horse-1", throttle.Waiter{}); {
			case errors.Is(err, directory.ErrBusy):
				busy.Store(i, true)
			case errors.Is(err, directory.ErrWrongPassword), errors.Is(err, context.DeadlineExceeded):
				wrong.Store(i, true)
			default:
				t.Errorf("%v", err)
			}
		})
	}
	close(start)
	group.Wait()
	n := 0
	busy.Range(func(any, any) bool { n++; return true })
	if n == 0 {
		t.Error("nobody was turned away")
	}
	if _, err := d.AuthenticateUser(t.Context(), tenant, "ann@contoso.example", password, throttle.Waiter{}); err != nil {
		t.Errorf("after the crowd: %v", err)
	}
}

func BenchmarkAuthenticateUser(b *testing.B) {
	d := withUser(b)
	for b.Loop() {
		if _, err := d.AuthenticateUser(b.Context(), tenant, "ann@contoso.example", password, throttle.Waiter{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestPasswordChecksTakeTurns fills the queue from one address with unknown names. A user from another
// address is served after the running hashes and one turn.
func TestPasswordChecksTakeTurns(t *testing.T) {
	d := withUser(t)
	d.SetHashing(1, 16)
	var mu sync.Mutex
	var order []string
	served := func(who string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, who)
	}
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			_, err := d.AuthenticateUser(t.Context(), tenant, fmt.Sprint("random", i), "x", throttle.Waiter{From: throttle.SourceOf("192.0.2.66")})
			if !errors.Is(err, directory.ErrBusy) {
				served("flood")
			}
		})
	}
	for d.Waiting() < 16 {
		runtime.Gosched()
	}
	mu.Lock()
	before := len(order)
	mu.Unlock()
	if _, err := d.AuthenticateUser(t.Context(), tenant, "ann@contoso.example", password, throttle.Waiter{From: throttle.SourceOf("198.51.100.1")}); err != nil {
		t.Fatal(err)
	}
	served("ann")
	group.Wait()
	// One hash runs when she arrives, one waiter has the turn before her, and others may be recorded late.
	if at := slices.Index(order, "ann") - before; at > 5 {
		t.Errorf("served after %d hashes: %q", at, order)
	}
}
