package grant_test

import (
	"bytes"
	"fmt"
	"midas/internal/seal"
	"testing"

	"midas/internal/grant"
	"midas/internal/store"
	"midas/internal/throttle"
)

func (f *fixture) familiar(t testing.TB, user, address string) bool {
	t.Helper()
	is, err := f.IsFamiliar(t.Context(), tenant, user, throttle.SourceOf(address))
	if err != nil {
		t.Fatal(err)
	}
	return is
}

func (f *fixture) remember(t testing.TB, user, address string) {
	t.Helper()
	if err := f.Remember(t.Context(), tenant, user, throttle.SourceOf(address)); err != nil {
		t.Fatal(err)
	}
}

func TestFamiliarAddresses(t *testing.T) {
	f := newFixture(t)
	f.remember(t, "anna", "192.0.2.1")
	f.remember(t, "anna", "2001:db8::1")
	for _, test := range []struct {
		user, address string
		want          bool
	}{
		{"anna", "192.0.2.1", true},
		{"anna", "::ffff:192.0.2.1", true},
		{"anna", "2001:db8::ffff", true},
		{"anna", "192.0.2.2", false},
		{"anna", "2001:db8:0:1::1", false},
		{"bert", "192.0.2.1", false},
	} {
		if got := f.familiar(t, test.user, test.address); got != test.want {
			t.Errorf("%s at %s: %v", test.user, test.address, got)
		}
	}
	if is, err := f.IsFamiliar(t.Context(), "other", "anna", throttle.SourceOf("192.0.2.1")); is || err != nil {
		t.Errorf("in another tenant: %v, %v", is, err)
	}
	// Another process with the same store and master key recognizes the address; one with another master
	// key does not.
	sealer, err := grant.NewSealer(seal.MasterKey{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := grant.NewSealer(seal.MasterKey{2})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []*grant.Sealer{sealer, other} {
		again := &grant.Grants{Store: f.Store, Sealer: s, Now: f.time, NewID: f.NewID}
		is, err := again.IsFamiliar(t.Context(), tenant, "anna", throttle.SourceOf("192.0.2.1"))
		if is != (i == 0) || err != nil {
			t.Errorf("after a restart: %v, %v", is, err)
		}
	}
}

// TestFamiliarAddressesAreBounded signs a user in from many addresses: the last MaxFamiliar are stored,
// they expire, and signing in again from one of them writes nothing.
func TestFamiliarAddressesAreBounded(t *testing.T) {
	f := newFixture(t)
	for i := range 100 {
		f.remember(t, "anna", fmt.Sprintf("10.0.%d.1", i))
	}
	known := 0
	for i := range 100 {
		if f.familiar(t, "anna", fmt.Sprintf("10.0.%d.1", i)) {
			known++
		}
	}
	if known != grant.MaxFamiliar || !f.familiar(t, "anna", "10.0.99.1") {
		t.Errorf("%d addresses are familiar, want the last %d", known, grant.MaxFamiliar)
	}
	if n := f.keys(t, "d/"); n != 2 {
		t.Errorf("%d keys, want one record and its entry", n)
	}
	before := f.dump(t)
	for range 100 {
		f.advance(grant.FamiliarLifetime / 300)
		f.remember(t, "anna", "10.0.99.1")
	}
	if !bytes.Equal(before, f.dump(t)) {
		t.Error("signing in again has written something")
	}
	f.advance(grant.FamiliarLifetime / 3)
	f.remember(t, "anna", "10.0.99.1")
	f.advance(grant.FamiliarLifetime / 2)
	if !f.familiar(t, "anna", "10.0.99.1") || f.familiar(t, "anna", "10.0.98.1") {
		t.Error("a used address has expired, or an unused one has not")
	}
	f.advance(grant.FamiliarLifetime)
	if f.familiar(t, "anna", "10.0.99.1") {
		t.Error("the address does not expire")
	}
	f.sweepAll(t)
	if n := f.keys(t, "d/"); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// sweepAll removes all expired records.
func (f *fixture) sweepAll(t testing.TB) {
	t.Helper()
	for {
		n, err := f.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
	}
}

// dump returns the content of the store.
func (f *fixture) dump(t testing.TB) []byte {
	t.Helper()
	var all bytes.Buffer
	if err := store.Dump(t.Context(), f.Store, &all); err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// TestFamiliesAreBounded begins more than MaxFamilies families for one client. The oldest of that client
// end, and the families of other clients stay.
func TestFamiliesAreBounded(t *testing.T) {
	f := newFixture(t)
	quiet := granted()
	quiet.ClientID = "another client"
	first, err := f.Begin(t.Context(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for range 2*grant.MaxFamilies + 10 {
		f.advance(1e9)
		token, err := f.Begin(t.Context(), granted())
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	alive := 0
	for i, token := range tokens {
		_, err := f.OpenRefresh(t.Context(), token)
		if err == nil {
			alive++
		}
		if newest := i > len(tokens)-grant.MaxFamilies; (err == nil) != newest {
			t.Errorf("family %d of %d: %v", i, len(tokens), err)
		}
	}
	if alive != grant.MaxFamilies-1 {
		t.Errorf("%d families are alive, want %d", alive, grant.MaxFamilies-1)
	}
	if n := f.keys(t, "d/"+tenant+"/rt/"); n != grant.MaxFamilies {
		t.Errorf("%d families are stored, want %d", n, grant.MaxFamilies)
	}
	first = f.mustRotate(t, first)
	// Families of another user are not counted.
	someone := granted()
	someone.UserID = "someone"
	if _, err := f.Begin(t.Context(), someone); err != nil {
		t.Fatal(err)
	}
	f.mustRotate(t, first)
	f.mustRotate(t, tokens[len(tokens)-grant.MaxFamilies+1])
	f.advance(3 * grant.RefreshLifetime)
	f.sweepAll(t)
	f.sweepAll(t)
	if n := f.keys(t, "d/"); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

// TestFamilyIsListedUntilItEnds uses a family for years, during which it is counted, and then ends it,
// after which it is not.
func TestFamilyIsListedUntilItEnds(t *testing.T) {
	f := newFixture(t)
	token, err := f.Begin(t.Context(), granted())
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		f.advance(grant.RefreshLifetime - 1e9)
		token = f.mustRotate(t, token)
		f.sweepAll(t)
		if n := f.keys(t, "d/"+tenant+"/sign-ins/"); n != 1 {
			t.Fatalf("%d lists, want one", n)
		}
	}
	if _, err := f.rotate(t, token); err != nil {
		t.Fatal(err)
	}
	f.advance(1e9)
	if _, err := f.rotate(t, token); err == nil {
		t.Fatal("a used token is accepted again")
	}
	for range grant.MaxFamilies {
		if _, err := f.Begin(t.Context(), granted()); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.keys(t, "d/"+tenant+"/rt/"); n != grant.MaxFamilies {
		t.Errorf("%d families, want %d", n, grant.MaxFamilies)
	}
}
