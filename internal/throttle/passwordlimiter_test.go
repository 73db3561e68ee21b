package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"midas/internal/throttle"
)

// memory implements FamiliarSources in memory and counts look-ups.
type memory struct {
	mu    sync.Mutex
	known map[string]bool
	asked int
	err   error
}

func (m *memory) IsFamiliar(_ context.Context, tenant, user string, from throttle.Source) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	return m.known[tenant+user+from.Address()], m.err
}

func (m *memory) Remember(_ context.Context, tenant, user string, from throttle.Source) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[tenant+user+from.Address()] = true
	return m.err
}

func newPasswords() (*throttle.PasswordLimiter, *memory, *clock) {
	table, clock := newTable(0)
	m := &memory{known: map[string]bool{}}
	return &throttle.PasswordLimiter{Table: table, Familiar: m}, m, clock
}

func guess(user, address string) throttle.PasswordKey {
	return throttle.PasswordKey{Tenant: "t", User: user, From: throttle.SourceOf(address)}
}

// try makes one attempt with a wrong password.
func try(t *testing.T, p *throttle.PasswordLimiter, user, address string) throttle.Refusal {
	t.Helper()
	a, refused, err := p.Try(t.Context(), guess(user, address))
	if err != nil {
		t.Fatal(err)
	}
	if (a == nil) != (refused.Wait > 0) {
		t.Fatalf("attempt %v, refusal %v", a, refused)
	}
	return refused
}

// TestRandomNamesFromOneAddressAreRefused checks that random user names are refused after a burst, with few look-ups
// in the store.
func TestRandomNamesFromOneAddressAreRefused(t *testing.T) {
	p, m, clock := newPasswords()
	admitted := 0
	for i := range 2_000 {
		if try(t, p, fmt.Sprint("nobody", i), "192.0.2.1").Wait == 0 {
			admitted++
		}
	}
	if admitted != 60 {
		t.Errorf("%d were admitted, want 60", admitted)
	}
	if m.asked > 60+60 {
		t.Errorf("the store was asked %d times for %d hashes", m.asked, admitted)
	}
	if p.Refused(throttle.SourceOf("192.0.2.1")) == 0 {
		t.Error("Refused admits the address")
	}
	if r := try(t, p, "anna", "192.0.2.2"); r.Wait != 0 {
		t.Errorf("another address waits %s", r.Wait)
	}
	clock.advance(time.Hour)
	if n := p.Table.Len(); n != 0 {
		t.Errorf("%d buckets an hour later, want none", n)
	}
}

// TestAddressesOfOneNetworkShareALimit tries one password from each of many addresses.
func TestAddressesOfOneNetworkShareALimit(t *testing.T) {
	for name, address := range map[string]func(i int) string{
		"IPv4": func(i int) string { return fmt.Sprint("192.0.2.", i%256) },
		"IPv6": func(i int) string { return fmt.Sprintf("2001:db8:0:%x::1", i) },
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _ := newPasswords()
			admitted := 0
			for i := range 3_000 {
				if try(t, p, fmt.Sprint("nobody", i), address(i)).Wait == 0 {
					admitted++
				}
			}
			if admitted != 240 {
				t.Errorf("%d were admitted, want 240", admitted)
			}
			if r := try(t, p, "anna", "198.51.100.1"); r.Wait != 0 {
				t.Errorf("another network waits %s", r.Wait)
			}
		})
	}
}

// TestGuessesElsewhereDoNotLockAFamiliarAddress checks that guesses from other addresses do not lock out a user
// whose own address is familiar.
func TestGuessesElsewhereDoNotLockAFamiliarAddress(t *testing.T) {
	p, _, _ := newPasswords()
	a, _, err := p.Try(t.Context(), guess("anna", "198.51.100.1"))
	if err != nil || a == nil || a.Familiar {
		t.Fatalf("%v, %v", a, err)
	}
	if err := p.Succeeded(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for i := range 400 { // locks anna at all other addresses
		try(t, p, "anna", fmt.Sprintf("10.0.%d.1", i))
	}
	if r := try(t, p, "anna", "203.0.113.1"); r.Wait == 0 || !r.Locked {
		t.Errorf("from a new address: %v, want locked", r)
	}
	for range 59 {
		try(t, p, "bert", "198.51.100.1")
	}
	for i := range 59 { // reaches the limit of the address
		try(t, p, fmt.Sprint("nobody", i), "198.51.100.1")
	}
	if r := try(t, p, "carl", "198.51.100.1"); r.Wait == 0 || r.Locked {
		t.Errorf("another user from the address: %v, want refused", r)
	}
	a, r, err := p.Try(t.Context(), guess("anna", "198.51.100.1"))
	if err != nil || a == nil || !a.Familiar {
		t.Errorf("anna from her own address: %v, %v, %v", a, r, err)
	}
	for range 20 {
		r = try(t, p, "anna", "198.51.100.1")
	}
	if r.Wait == 0 || !r.Locked {
		t.Errorf("guessing from the familiar address is not refused: %v", r)
	}
}

func TestRightPasswordsAreNotCounted(t *testing.T) {
	p, _, _ := newPasswords()
	for i := range 1_000 {
		a, r, err := p.Try(t.Context(), guess(fmt.Sprint(i%300), "192.0.2.1"))
		if err != nil || a == nil {
			t.Fatalf("try %d: %v, %v", i, r, err)
		}
		if i%2 == 0 {
			p.Forgive(a)
		} else if err := p.Succeeded(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Table.Len(); n != 0 {
		t.Errorf("%d buckets, want none", n)
	}
}

// TestFamiliarAddressesAreKnownAfterARestart checks that familiar addresses are read from the store during
// guesses from elsewhere, and are then cached.
func TestFamiliarAddressesAreKnownAfterARestart(t *testing.T) {
	p, m, _ := newPasswords()
	m.known["tanna"+throttle.SourceOf("198.51.100.1").Address()] = true
	for i := range 400 {
		try(t, p, "anna", fmt.Sprintf("10.0.%d.1", i))
	}
	a, r, err := p.Try(t.Context(), guess("anna", "198.51.100.1"))
	if err != nil || a == nil || !a.Familiar {
		t.Errorf("anna from her own address: %v, %v, %v", a, r, err)
	}
	asked := m.asked
	try(t, p, "anna", "198.51.100.1")
	if m.asked != asked {
		t.Error("the store is read again")
	}
}

// TestAttemptFailsWithTheStoresError checks that Try and Succeeded return the error of the store. The sign-in is
// not counted as a failure.
func TestAttemptFailsWithTheStoresError(t *testing.T) {
	p, m, _ := newPasswords()
	a, _, err := p.Try(t.Context(), guess("anna", "192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	m.err = errors.New("disk full")
	if err := p.Succeeded(t.Context(), a); !errors.Is(err, m.err) {
		t.Errorf("%v, want the store's error", err)
	}
	if _, _, err := p.Try(t.Context(), guess("bert", "192.0.2.1")); !errors.Is(err, m.err) {
		t.Errorf("%v, want the store's error", err)
	}
	if n := p.Table.Len(); n != 0 {
		t.Errorf("%d buckets, want none", n)
	}
}
