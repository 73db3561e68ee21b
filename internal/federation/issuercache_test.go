package federation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/internal/federation"
	"midas/internal/outbound"
)

func TestIssuersAtPrivateAddressesNeedTheOperator(t *testing.T) {
	issuer, other := newTestIssuer(t), newTestIssuer(t)
	issuers := newIssuers(t, &testClock{}, other.Settings(), federation.IssuerSettings{Issuer: issuer.URL, CA: issuer.CA})
	for _, all := range []*federation.Issuers{issuers, newIssuers(t, &testClock{})} {
		err := all.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0))
		if wrong := new(outbound.AddressError); !errors.As(err, &wrong) || reason(t, err) != federation.Unreachable {
			t.Error(err)
		}
	}
	if issuer.Discovery.Load() != 0 {
		t.Error("the issuer was asked")
	}
}

func TestIssuersThatAreNoURLsAreNotAsked(t *testing.T) {
	issuers := newIssuers(t, &testClock{})
	for _, issuer := range []string{"", "x", "http://127.0.0.1", "https://", "https://a@127.0.0.1", "https://127.0.0.1?x", "ldap://127.0.0.1", "https:127.0.0.1", "https://127.0.0.1#"} {
		if got := reason(t, issuers.Verify(t.Context(), assertion(t, issuer, "k1", 0))); got != federation.Unreachable {
			t.Errorf("%q: %s", issuer, got)
		}
	}
}

func TestIssuersKeepKeysThroughAnOutageForABoundedTime(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuers := newIssuers(t, clock, issuer.Settings())
	verify := func(kid string) federation.Reason {
		return reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, kid, 0)))
	}
	verify("k1")
	issuer.Serve(configuration, status(http.StatusServiceUnavailable))
	for range 11 {
		clock.Advance(time.Hour)
		if got := verify("k1"); got != "verified" {
			t.Fatalf("during the outage: %s", got)
		}
	}
	if got := verify("k2"); got != federation.Unreachable {
		t.Errorf("an unknown key during the outage: %s", got)
	}
	seen := issuers.Inspect(t.Context(), issuer.URL)
	if !seen.Known || seen.Failure == nil || seen.Failure.Reason != federation.Unreachable || !seen.Tried.After(seen.Fetched) {
		t.Errorf("during the outage: %+v", seen)
	}
	clock.Advance(2 * time.Hour)
	if got := verify("k1"); got != federation.Unreachable {
		t.Errorf("after a long outage: %s", got)
	}
	issuer.Serve(configuration, nil)
	clock.Advance(2 * time.Minute)
	if got := verify("k1"); got != "verified" {
		t.Errorf("after the end of the outage: %s", got)
	}
}

func TestIssuersRememberAFailureForAShortTime(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuer.Serve(configuration, status(http.StatusInternalServerError))
	issuers, a := newIssuers(t, clock, issuer.Settings()), assertion(t, issuer.URL, "k1", 0)
	verify := func() federation.Reason { return reason(t, issuers.Verify(t.Context(), a)) }
	for range 20 {
		verify()
	}
	if n := issuer.Discovery.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times at once", n)
	}
	for range 3600 { // an hour, with an assertion a second
		clock.Advance(time.Second)
		verify()
	}
	if n := issuer.Discovery.Load(); n < 55 || n > 70 {
		t.Errorf("the issuer was asked %d times in an hour", n)
	}
	issuer.Serve(configuration, nil)
	clock.Advance(time.Minute)
	if got := verify(); got != "verified" {
		t.Error(got)
	}
}

func TestIssuersRespectCacheControlWithinBounds(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 10 * time.Minute, "max-age=300": 5 * time.Minute, "public, Max-Age=300": 5 * time.Minute, "max-age=0": time.Minute, "no-store": time.Minute,
		"no-cache, max-age=600": time.Minute, "max-age=999999999": time.Hour, "max-age=99999999999999999999": time.Minute, "max-age=-5": time.Minute,
		"max-age=x": time.Minute, "private": 10 * time.Minute,
	} {
		issuer := newTestIssuer(t)
		issuers := newIssuers(t, &testClock{}, issuer.Settings())
		keys := fmt.Sprintf(`{"keys":[%s]}`, marshal(jwk("k1", 0)))
		issuer.Serve("/keys", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", header)
			text("application/json", keys)(w, r)
		})
		// The discovery document is fetched with the keys and may live as long as they do.
		issuer.mu.Lock()
		doc := marshal(issuer.discovery)
		issuer.mu.Unlock()
		issuer.Serve(configuration, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=7200")
			text("application/json", doc)(w, r)
		})
		if err := issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0)); err != nil {
			t.Fatal(err)
		}
		if got := issuers.Inspect(t.Context(), issuer.URL).Fresh; got != want {
			t.Errorf("%q: %s, and not %s", header, got, want)
		}
	}
}

func TestIssuersForgetAKeyThatTheIssuerWithdraws(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuers := newIssuers(t, clock, issuer.Settings())
	verify := func() federation.Reason {
		return reason(t, issuers.Verify(t.Context(), assertion(t, issuer.URL, "k1", 0)))
	}
	verify()
	issuer.Publish(jwk("k2", 1))
	clock.Advance(10 * time.Minute)
	if got := verify(); got != federation.UnknownKey {
		t.Errorf("after the keys are old: %s", got)
	}
}

func TestIssuersFetchOnceForAllThatWait(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	issuers := newIssuers(t, clock, issuer.Settings())
	a := assertion(t, issuer.URL, "k1", 0)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if err := issuers.Verify(context.WithoutCancel(t.Context()), a); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := issuer.Keys.Load(); n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}

// A caller that leaves does not end the fetch for the others, and does not wait.
func TestIssuersFetchGoesOnWhenACallerLeaves(t *testing.T) {
	issuer, clock := newTestIssuer(t), &testClock{}
	asked, answer := make(chan struct{}), make(chan struct{})
	issuer.Serve("/keys", func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		text("application/json", fmt.Sprintf(`{"keys":[%s]}`, marshal(jwk("k1", 0))))(w, r)
	})
	issuers := newIssuers(t, clock, issuer.Settings())
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	a := assertion(t, issuer.URL, "k1", 0)
	go func() { first <- issuers.Verify(ctx, a) }()
	<-asked
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(answer)
	if err := issuers.Verify(t.Context(), a); err != nil {
		t.Error(err)
	}
}

// Issuers that do not answer keep nobody waiting but their own workloads: neither those whose keys are cached, nor
// those whose keys must be fetched again.
func TestIssuersThatDoNotAnswerDoNotSlowDownOthers(t *testing.T) {
	warm, clock := newTestIssuer(t), &testClock{}
	settings := []federation.IssuerSettings{warm.Settings()}
	release := make(chan struct{})
	hold := func(http.ResponseWriter, *http.Request) { <-release }
	cold := make([]*testIssuer, 20)
	asked := make(chan struct{}, len(cold))
	for i := range cold {
		cold[i] = newTestIssuer(t)
		cold[i].Serve(configuration, func(w http.ResponseWriter, r *http.Request) { asked <- struct{}{}; hold(w, r) })
		settings = append(settings, cold[i].Settings())
	}
	issuers := newIssuers(t, clock, settings...)
	if err := issuers.Verify(t.Context(), assertion(t, warm.URL, "k1", 0)); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, len(cold))
	for _, c := range cold {
		a := assertion(t, c.URL, "k1", 0)
		go func() { failed <- issuers.Verify(context.WithoutCancel(t.Context()), a) }()
	}
	for range cold {
		<-asked
	}
	// All the cold ones are being asked now, and none has an answer until release is closed.
	for range 100 {
		if err := issuers.Verify(t.Context(), assertion(t, warm.URL, "k1", 0)); err != nil {
			t.Fatal(err)
		}
	}
	clock.Advance(time.Hour)
	if err := issuers.Verify(t.Context(), assertion(t, warm.URL, "k1", 0)); err != nil || warm.Keys.Load() != 2 {
		t.Errorf("fetching again: %v, %d fetches", err, warm.Keys.Load())
	}
	close(release)
	for range cold {
		if err := <-failed; err == nil {
			t.Error("an issuer without an answer was verified")
		}
	}
}

// marshal is JSON of a value that can be encoded.
func marshal(v any) string {
	var b strings.Builder
	encode(&b, v)
	return b.String()
}
