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

// memory is a FamiliarSources that counts its calls.
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

// TestRandomNamesFromOneAddress checks that they are refused after a burst, without look-ups in the store.
func TestRandomNamesFromOneAddress(t *testing.T) {
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
		t.Error("the address is not refused before all else")
	}
	if r := try(t, p, "anna", "192.0.2.2"); r.Wait != 0 {
		t.Errorf("another address waits %s", r.Wait)
	}
	clock.advance(time.Hour)
	if n := p.Table.Len(); n != 0 {
		t.Errorf("%d buckets an hour later, want none", n)
	}
}

// TestAddressesOfOneNetwork checks that they share a limit.
func TestAddressesOfOneNetwork(t *testing.T) {
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

// TestFamiliarAddress checks that guesses from other addresses do not lock out a user at a familiar one.
func TestFamiliarAddress(t *testing.T) {
	p, _, _ := newPasswords()
	a, _, err := p.Try(t.Context(), guess("anna", "198.51.100.1"))
	if err != nil || a == nil || a.Familiar {
		t.Fatalf("%v, %v", a, err)
	}
	if err := p.Succeeded(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	for i := range 400 { // anna is locked everywhere
		try(t, p, "anna", fmt.Sprintf("10.0.%d.1", i))
	}
	if r := try(t, p, "anna", "203.0.113.1"); r.Wait == 0 || !r.Locked {
		t.Errorf("from a new address: %v, want locked", r)
	}
	for range 59 {
		try(t, p, "bert", "198.51.100.1")
	}
	for i := range 59 { // the address is used up
		try(t, p, fmt.Sprint("nobody", i), "198.51.100.1")
	}
	if r := try(t, p, "carl", "198.51.100.1"); r.Wait == 0 || r.Locked {
		t.Errorf("somebody else from the address: %v, want refused", r)
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

// TestAfterARestart checks that familiar addresses are read from the store while others guess.
func TestAfterARestart(t *testing.T) {
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
		t.Error("the store is asked again")
	}
}

// TestStoreThatFails checks that an attempt fails if the store cannot be read, and a sign-in does not.
func TestStoreThatFails(t *testing.T) {
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
