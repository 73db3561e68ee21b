package federation_test

import (
	"errors"
	"testing"
	"time"

	"midas/internal/federation"
)

// reason is the reason of an *IssuerError, or "verified".
func reason(t *testing.T, err error) federation.Reason {
	t.Helper()
	if err == nil {
		return "verified"
	}
	var failure *federation.IssuerError
	if !errors.As(err, &failure) {
		t.Fatalf("%v is not an *IssuerError", err)
	}
	return failure.Reason
}

func TestIssuersVerifyFetchesTheKeysOnce(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuers := newIssuers(t, clock, issuer.Settings())
	for range 5 {
		if err := issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 1))); got != federation.Signature {
		t.Errorf("signed with another key: %s", got)
	}
	if d, k := issuer.Discovery.Load(), issuer.Keys.Load(); d != 1 || k != 1 {
		t.Errorf("the issuer was asked %d and %d times", d, k)
	}
}

func TestIssuersFetchAgainForAnUnknownKeyAtABoundedRate(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuers := newIssuers(t, clock, issuer.Settings())
	verify := func(kid string, n int) federation.Reason {
		return reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, kid, n)))
	}
	verify("k1", 0)
	issuer.Publish(jwk("k2", 1))
	if got := verify("k2", 1); got != federation.UnknownKey {
		t.Errorf("within the pause: %s", got)
	}
	clock.Advance(31 * time.Second)
	if got := verify("k2", 1); got != "verified" {
		t.Errorf("after the pause: %s", got)
	}
	if got := verify("k1", 0); got != federation.UnknownKey {
		t.Errorf("a key that the issuer has removed: %s", got)
	}
	for range 50 {
		verify("unknown", 2)
	}
	if n := issuer.Keys.Load(); n != 2 {
		t.Errorf("the keys were fetched %d times", n)
	}
}
