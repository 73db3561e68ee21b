package login_test

import (
	"testing"
	"time"

	"midas/internal/throttle"
)

func TestSecretGuessesAreThrottled(t *testing.T) {
	f := newFixture(t)
	f.Limits.Secrets = throttle.Rule{Burst: 3, Refill: 2 * time.Second}
	wrong := func() (int, string) {
		w := f.post(tokenV2, clientCredentialsForm("client_secret", "wrong"))
		return w.Code, w.Header().Get("Retry-After")
	}
	for range 3 {
		if code, _ := wrong(); code != 401 {
			t.Fatalf("status %d within the burst", code)
		}
	}
	if code, after := wrong(); code != 429 || after != "2" {
		t.Errorf("the fourth wrong password: status %d, Retry-After %q; want 429, 2", code, after)
	}
	if w := f.post(tokenV2, clientCredentialsForm()); w.Code != 429 {
		t.Errorf("the right secret from the same address: status %d, want 429", w.Code)
	}
	if w := f.post(tokenV2, clientCredentialsForm("client_id", expiredApp, "client_secret", "wrong")); w.Code != 401 {
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
	if w := f.post(tokenV2, clientCredentialsForm()); w.Code != 200 {
		t.Errorf("an hour later: status %d, want 200", w.Code)
	}
}

func TestOnlyWrongSecretsAreThrottled(t *testing.T) {
	f := newFixture(t)
	f.Limits.Secrets.Burst = 2
	for range 5 {
		for _, form := range []string{clientCredentialsForm(), clientCredentialsForm("client_id", other), clientCredentialsForm("client_id", disabledApp), clientCredentialsForm("client_id", expiredApp), clientCredentialsForm("scope", "")} {
			if w := f.post(tokenV2, form); w.Code == 429 {
				t.Fatalf("throttled without a wrong secret: %s", w.Body)
			}
		}
	}
}
