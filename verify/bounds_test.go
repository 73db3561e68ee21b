package verify_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"midas/verify"
)

// A storm of invented key ids while the issuer is slow: few requests wait, and good tokens and the list are not
// affected.
func TestFewRequestsWaitForUnknownKeys(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		good := i.Token(t, audience, nil)
		wait(10 * time.Second)
		i.answer("keys", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		invented := i.Sign(t, map[string]any{"kid": "invented"}, []byte(`{}`))
		var busy, unknown atomic.Int64
		for range 2000 {
			go func() {
				switch _, err := v.Verify(t.Context(), invented); {
				case errors.Is(err, verify.ErrUnavailable):
					busy.Add(1)
				case errors.Is(err, verify.ErrUnknownKey):
					unknown.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := busy.Load(); n != 2000-256 || unknown.Load() != 0 {
			t.Errorf("%d requests were refused and %d answered, 256 may wait", n, unknown.Load())
		}
		_, err := v.Verify(t.Context(), good)
		wantErr(t, err, nil)
		wait(6 * time.Second)
		if n := unknown.Load(); n != 256 {
			t.Errorf("%d requests have waited", n)
		}
		i.answer("keys", nil)
		wait(time.Minute)
		_, err = v.Verify(t.Context(), invented)
		wantErr(t, err, verify.ErrUnknownKey)
	})
}

// A caller that gives up makes room for another one.
func TestWaitingRequestsThatEndMakeRoom(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		wait(10 * time.Second)
		release := make(chan struct{})
		i.answer("keys", func(r *http.Request) (*http.Response, error) {
			<-release
			return i.Client().Transport.RoundTrip(r)
		})
		invented := i.Sign(t, map[string]any{"kid": "invented"}, []byte(`{}`))
		ctx, cancel := context.WithCancel(t.Context())
		for range 256 {
			go func() { _, _ = v.Verify(ctx, invented) }()
		}
		synctest.Wait()
		_, err := v.Verify(t.Context(), invented)
		wantErr(t, err, verify.ErrUnavailable)
		cancel()
		synctest.Wait()
		i.AddKey(t)
		next := i.Token(t, audience, nil)
		done := make(chan error)
		go func() {
			_, err := v.Verify(t.Context(), next)
			done <- err
		}()
		synctest.Wait()
		close(release)
		wantErr(t, <-done, nil)
	})
}

func TestCloseAnswersRequestsThatWait(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		wait(10 * time.Second)
		i.answer("keys", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		done := make(chan error)
		go func() {
			_, err := v.Verify(t.Context(), i.Sign(t, map[string]any{"kid": "invented"}, []byte(`{}`)))
			done <- err
		}()
		synctest.Wait()
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err == nil {
			t.Error("a request that waited has a good token")
		}
		wantErr(t, v.Refresh(t.Context()), verify.ErrUnavailable)
	})
}

// Tokens with many groups are longer than the usual ones.
func TestLongTokensThatAreKnownAllocateNothing(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	groups := make([]string, 200)
	for n := range groups {
		groups[n] = strings.Repeat("g", 36)
	}
	raw := i.Token(t, audience, map[string]any{"groups": groups})
	if n := testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a token of %d bytes", n, len(raw))
	}
}
