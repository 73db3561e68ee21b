package login_test

import (
	"fmt"
	"testing"
	"time"

	"midas/internal/api/bearer"
	"midas/internal/store"
)

// TestRevocationDecidesByTheTimeOfIssue checks tokens whose iat is five minutes before their time of issue: one
// that was issued before the revocation is refused, one that was issued after it is accepted although its iat
// is earlier than the revocation.
func TestRevocationDecidesByTheTimeOfIssue(t *testing.T) {
	f := newFixtureWithUsers(t)
	check := bearer.Checker{Tokens: f.verifier, Directory: f.Directory}
	subject := func(answer map[string]any) error {
		claims, err := f.verifier.Verify(t.Context(), fmt.Sprint(answer["access_token"]))
		if err != nil {
			return err
		}
		return f.store.View(t.Context(), func(tx store.Tx) error {
			_, err := check.Subject(tx, claims)
			return err
		})
	}
	for id, get := range map[string]func() map[string]any{
		object: func() map[string]any {
			answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm()))
			return answer
		},
		aliceID: func() map[string]any {
			answer, _ := f.granted(t, f.post(tokenV2, passwordForm()))
			return answer
		},
	} {
		for _, wait := range []time.Duration{0, time.Second, time.Minute, 10 * time.Minute} {
			before := get()
			f.advance(wait)
			f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, id) })
			if err := subject(before); !bearer.IsRefusal(err) {
				t.Errorf("%s: a token issued %v before the revocation: %v", id, wait, err)
			}
			after := get()
			if err := subject(after); err != nil {
				t.Errorf("%s: a token issued after the revocation: %v", id, err)
			}
			f.advance(2 * time.Second)
		}
	}
}
