package login_test

import (
	"fmt"
	"testing"
	"time"

	"midas/internal/api/login"
)

func TestGuessingIsSlowedDown(t *testing.T) {
	f := newFixture(t)
	f.Guesses = login.Throttle{Burst: 3, Refill: 2 * time.Second}
	wrong := func() (int, string) {
		w := f.post(tokenV2, good("client_secret", "wrong"))
		return w.Code, w.Header().Get("Retry-After")
	}
	for range 3 {
		if code, _ := wrong(); code != 401 {
			t.Fatalf("status %d within the burst", code)
		}
	}
	if code, after := wrong(); code != 429 || after != "2" {
		t.Errorf("the fourth guess: status %d, Retry-After %q; want 429, 2", code, after)
	}
	if w := f.post(tokenV2, good()); w.Code != 429 {
		t.Errorf("the right secret from the guesser: status %d, want 429", w.Code)
	}
	if w := f.post(tokenV2, good("client_id", over, "client_secret", "wrong")); w.Code != 401 {
		t.Errorf("another application: status %d, want 401", w.Code)
	}
	f.advance(2 * time.Second)
	if code, _ := wrong(); code != 401 {
		t.Errorf("after Retry-After: status %d, want 401", code)
	}
	if code, _ := wrong(); code != 429 {
		t.Errorf("one more: status %d, want 429", code)
	}
	f.advance(time.Hour)
	if w := f.post(tokenV2, good()); w.Code != 200 {
		t.Errorf("an hour later: status %d, want 200", w.Code)
	}
}

func TestOnlyWrongSecretsCount(t *testing.T) {
	f := newFixture(t)
	f.Guesses.Burst = 2
	for range 5 {
		for _, form := range []string{good(), good("client_id", other), good("client_id", off), good("client_id", over), good("scope", "")} {
			if w := f.post(tokenV2, form); w.Code == 429 {
				t.Fatalf("throttled without a wrong secret: %s", w.Body)
			}
		}
	}
}

func TestGuessersAreToldApart(t *testing.T) {
	tests := []struct {
		name string
		a, b login.Guess
		same bool
	}{
		{"spelling of ids", login.NewGuess("T", "A", "192.0.2.1"), login.NewGuess("t", "a", "192.0.2.1"), true},
		{"IPv4 addresses", login.NewGuess("t", "a", "192.0.2.1"), login.NewGuess("t", "a", "192.0.2.2"), false},
		{"IPv4 addresses in IPv6", login.NewGuess("t", "a", "::ffff:192.0.2.1"), login.NewGuess("t", "a", "::ffff:192.0.2.2"), false},
		{"one IPv6 network", login.NewGuess("t", "a", "2001:db8::1"), login.NewGuess("t", "a", "2001:db8::ffff:1"), true},
		{"two IPv6 networks", login.NewGuess("t", "a", "2001:db8::1"), login.NewGuess("t", "a", "2001:db8:0:1::1"), false},
		{"no addresses", login.NewGuess("t", "a", "pipe"), login.NewGuess("t", "a", "@"), false},
		{"applications", login.NewGuess("t", "a", ""), login.NewGuess("t", "b", ""), false},
		{"tenants", login.NewGuess("t", "a", ""), login.NewGuess("u", "a", ""), false},
	}
	for _, test := range tests {
		if same := test.a == test.b; same != test.same {
			t.Errorf("%s: %v and %v, same %v", test.name, test.a, test.b, same)
		}
	}
}

// TestGuessersAreForgotten fills the memory; whoever has guessed most is remembered.
func TestGuessersAreForgotten(t *testing.T) {
	throttle := login.Throttle{Burst: 2, Refill: time.Second, Limit: 8}
	worst := login.NewGuess("t", "a", "worst")
	for range 5 {
		throttle.Failed(worst, start)
	}
	for i := range 1000 {
		throttle.Failed(login.NewGuess("t", "a", fmt.Sprint(i)), start)
		if n := throttle.Len(); n > 8 {
			t.Fatalf("%d guessers are remembered, want at most 8", n)
		}
	}
	if throttle.Wait(worst, start) == 0 {
		t.Error("the worst guesser is forgotten")
	}
	later := start.Add(time.Minute)
	throttle.Failed(login.NewGuess("t", "a", "later"), later)
	if n := throttle.Len(); n != 1 {
		t.Errorf("%d guessers are remembered a minute later, want 1", n)
	}
}
