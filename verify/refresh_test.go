package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"midas/verify"
	"midas/verify/verifytest"
)

// within runs a test with its own clock. The Verifier is closed before the clock ends.
func within(t *testing.T, test func(t *testing.T, i *issuerOf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newIssuer(t)) })
}

// wait lets time pass until everything in the background waits.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRevokedTokensAreRefusedAfterTheNextRefresh(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		old := i.Token(t, audience, nil)
		other := i.Token(t, audience, map[string]any{"oid": "another"})
		wait(time.Minute)
		_, err := v.Verify(t.Context(), old)
		wantErr(t, err, nil)
		i.Revoke(verifytest.ObjectID, time.Now())
		wait(time.Minute)
		_, err = v.Verify(t.Context(), old) // known as good
		wantErr(t, err, verify.ErrRevoked)
		_, err = v.Verify(t.Context(), i.Token(t, audience, map[string]any{"midas_iat": time.Now().Add(-2 * time.Minute).Unix()}))
		wantErr(t, err, verify.ErrRevoked) // not known
		_, err = v.Verify(t.Context(), other)
		wantErr(t, err, nil)
		_, err = v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, nil) // issued after the revocation, though its iat is before
	})
}

// A token without midas_iat counts as issued at its iat.
func TestRevocationComparesIatWithoutTheTimeOfIssue(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		now := time.Now()
		i.Revoke(verifytest.ObjectID, now.Add(-time.Minute))
		v := i.verifier(t)
		_, err := v.Verify(t.Context(), i.Token(t, audience, map[string]any{"midas_iat": nil}))
		wantErr(t, err, verify.ErrRevoked)
		_, err = v.Verify(t.Context(), i.Token(t, audience, map[string]any{"midas_iat": nil, "iat": now.Unix()}))
		wantErr(t, err, nil)
		i.Revoke(verifytest.ObjectID, now.AddDate(100, 0, 0)) // disabled, or gone
		wait(time.Minute)
		_, err = v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, verify.ErrRevoked)
	})
}

func TestBadListsAreRefused(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		const kind = "midas-revocations+jwt"
		good := func(changes map[string]any) string { return i.list(t, kind, changes) }
		now := time.Now().Unix()
		stranger := &issuerOf{Issuer: verifytest.New(t)}
		stranger.AddKey(t)
		rows := map[string]struct{ body, says string }{
			"a good one":               {good(nil), ""},
			"with what is not known":   {good(map[string]any{"new": 1, "revoked": []any{map[string]any{"oid": "x", "before": 1, "why": "?"}}}), ""},
			"an access token":          {i.Token(t, audience, nil), `its type is "JWT"`},
			"the type in capitals":     {i.list(t, "MIDAS-REVOCATIONS+JWT", nil), "its type"},
			"no type":                  {i.list(t, "", nil), "its type"},
			"an unknown key":           {stranger.list(t, kind, nil), `does not publish: "key-2"`},
			"another payload":          {part(good(nil), 1, b64(`{}`)), "signature"},
			"alg none":                 {part(good(nil), 0, b64(`{"alg":"none","typ":"`+kind+`","kid":"key-1"}`)), "RS256"},
			"another issuer":           {good(map[string]any{"iss": "https://issuer.test/other/v2.0"}), "its issuer is"},
			"the issuer of 1.0":        {good(map[string]any{"iss": i.V1}), "its issuer is"},
			"no issuer":                {good(map[string]any{"iss": nil}), "its issuer is"},
			"expired":                  {good(map[string]any{"exp": now - 3600}), "it expired"},
			"no expiry":                {good(map[string]any{"exp": nil}), "wrong type"},
			"no version":               {good(map[string]any{"version": nil}), "wrong type"},
			"a negative version":       {good(map[string]any{"version": -1}), "wrong type"},
			"no entries":               {good(map[string]any{"revoked": nil}), "wrong type"},
			"an entry without oid":     {good(map[string]any{"revoked": []any{map[string]any{"before": 1}}}), "no oid"},
			"an entry without before":  {good(map[string]any{"revoked": []any{map[string]any{"oid": "x"}}}), "no oid or no before"},
			"an entry that is a text":  {good(map[string]any{"revoked": []any{"x"}}), "wrong type"},
			"JSON without a signature": {`{"revoked":[]}`, "malformed"},
			"an empty answer":          {"", "malformed"},
			"too long":                 {strings.Repeat("x", 16<<20+1), "longer than 16777216 bytes"},
		}
		for name, row := range rows {
			i.answer("revocations", text(row.body))
			v, err := i.open(t.Context())
			if err == nil {
				_ = v.Close()
			}
			if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("%s: the error is %v, want %q", name, err, row.says)
			}
		}
	})
}

func TestStaleListRefusesEveryTokenUntilTheIssuerIsBack(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t, verify.WithRevocationsMaxAge(5*time.Minute))
		raw := i.Token(t, audience, nil)
		start := time.Now()
		i.answer("revocations", outage)
		wait(4 * time.Minute)
		_, err := v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
		wait(2 * time.Minute)
		for _, token := range []string{raw, i.Token(t, audience, nil)} {
			_, err = v.Verify(t.Context(), token)
			wantErr(t, err, verify.ErrUnavailable)
		}
		var lacks *verify.UnavailableError
		if !errors.As(err, &lacks) || lacks.Lacks != "list of revocations" || !errors.Is(lacks.Err, errOutage) || lacks.Since.Sub(start) > time.Minute {
			t.Errorf("the error is %+v", err)
		}
		i.answer("revocations", nil)
		wait(time.Minute)
		_, err = v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
	})
}

// An answer "not modified" confirms a list until it expires by its own words, and then only a new one does.
func TestUnchangedListIsConfirmedUntilItExpires(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		old := i.list(t, "midas-revocations+jwt", nil) // for 600 seconds
		i.answer("revocations", func(r *http.Request) (*http.Response, error) {
			code := http.StatusOK
			if r.Header.Get("If-None-Match") == `"one"` {
				code = http.StatusNotModified
			}
			resp, err := status(code, old)(r)
			resp.Header.Set("ETag", `"one"`)
			return resp, err
		})
		v := i.verifier(t, verify.WithRevocationsMaxAge(5*time.Minute))
		wait(9 * time.Minute)
		_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, nil)
		wait(8 * time.Minute)
		_, err = v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, verify.ErrUnavailable)
	})
}

func TestListOfAWithdrawnKeyIsNotConfirmed(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		old := i.list(t, "midas-revocations+jwt", map[string]any{"exp": time.Now().Unix() + 86400})
		i.answer("revocations", func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("If-None-Match") != "" {
				return status(http.StatusNotModified, "")(r)
			}
			resp, err := text(old)(r)
			resp.Header.Set("ETag", `"one"`)
			return resp, err
		})
		v := i.verifier(t)
		i.AddKey(t)
		i.RemoveKey("key-1")
		wait(30 * time.Minute)
		_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, verify.ErrUnavailable)
	})
}

func TestIssuersWithoutAListNeedTheOption(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		i.answer("openid-configuration", func(r *http.Request) (*http.Response, error) {
			issuer := i.V1
			if strings.Contains(r.URL.Path, "v2.0") {
				issuer = i.URL
			}
			return text(fmt.Sprintf(`{"issuer":%q,"jwks_uri":"https://issuer.test/%s/keys"}`, issuer, verifytest.Tenant))(r)
		})
		if _, err := i.open(t.Context()); err == nil || !strings.Contains(err.Error(), "WithoutRevocations") {
			t.Errorf("the error is %v", err)
		}
		i.answer("revocations", outage)
		v := i.verifier(t, verify.WithoutRevocations())
		wait(time.Hour / 2)
		_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, nil)
	})
}

func TestNewKeysAreFoundAndWithdrawnKeysEndTheirTokens(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		old := i.Token(t, audience, map[string]any{"exp": time.Now().Unix() + 86400})
		_, err := v.Verify(t.Context(), old)
		wantErr(t, err, nil)
		wait(10 * time.Second)
		i.AddKey(t)
		_, err = v.Verify(t.Context(), i.Token(t, audience, nil)) // fetches the keys
		wantErr(t, err, nil)
		_, err = v.Verify(t.Context(), old)
		wantErr(t, err, nil)
		i.RemoveKey("key-1")
		wait(6 * time.Minute)
		_, err = v.Verify(t.Context(), old) // known as good until now
		wantErr(t, err, verify.ErrUnknownKey)
	})
}

// A key that takes the id of another one does not take its tokens over.
func TestKeyThatIsReplacedUnderItsIDEndsTheOldOnesTokens(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t, verify.WithoutRevocations())
		old := i.Token(t, audience, nil)
		_, err := v.Verify(t.Context(), old)
		wantErr(t, err, nil)
		other := newIssuer(t)
		i.answer("keys", func(r *http.Request) (*http.Response, error) { return other.Client().Transport.RoundTrip(r) })
		wait(6 * time.Minute)
		_, err = v.Verify(t.Context(), old)
		wantErr(t, err, verify.ErrSignature)
		_, err = v.Verify(t.Context(), other.Token(t, audience, nil))
		wantErr(t, err, nil)
	})
}

func TestInventedKeyIDsCauseFewRequests(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		good := i.Token(t, audience, nil)
		before, start := i.requests("keys"), time.Now()
		for n := range 600 { // a minute of tokens with new key ids
			_, err := v.Verify(t.Context(), i.Sign(t, map[string]any{"kid": fmt.Sprint("invented", n)}, []byte(`{}`)))
			wantErr(t, err, verify.ErrUnknownKey)
			wait(100 * time.Millisecond)
		}
		if asked := i.requests("keys") - before; asked < 2 || asked > 14 {
			t.Errorf("%d requests in %s", asked, time.Since(start))
		}
		_, err := v.Verify(t.Context(), good)
		wantErr(t, err, nil)
	})
}

func TestWaitingForKeysEndsWithTheContext(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		wait(10 * time.Second)
		i.answer("keys", func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := v.Verify(ctx, i.Sign(t, map[string]any{"kid": "new"}, []byte(`{}`)))
		wantErr(t, err, context.DeadlineExceeded)
		_, err = v.Verify(t.Context(), i.Sign(t, map[string]any{"kid": "new"}, []byte(`{}`))) // the same fetch, until its timeout
		wantErr(t, err, verify.ErrUnknownKey)
		if took := time.Since(begin); took > 6*time.Second {
			t.Errorf("the fetch took %s", took)
		}
		_, err = v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, nil)
	})
}

func TestKeysSurviveAnOutageForABoundedTime(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t, verify.WithoutRevocations(), verify.WithKeysMaxAge(2*time.Hour))
		raw := i.Token(t, audience, map[string]any{"exp": time.Now().Unix() + 86400})
		i.answer("keys", status(http.StatusBadGateway, "bad gateway"))
		wait(time.Hour)
		_, err := v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
		wait(time.Hour + time.Minute)
		_, err = v.Verify(t.Context(), raw)
		wantErr(t, err, verify.ErrUnavailable)
		if asked := i.requests("keys"); asked > 3*60*2 {
			t.Errorf("%d requests in two hours of an outage", asked)
		}
		for _, broken := range []string{`{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA","kid":"key-1","use":"sig"}]}`, `not JSON`, `{}`, strings.Repeat(" ", 2<<20)} {
			i.answer("keys", text(broken))
			wait(time.Minute)
			_, err = v.Verify(t.Context(), raw)
			wantErr(t, err, verify.ErrUnavailable)
		}
		i.answer("keys", nil)
		wait(time.Minute)
		_, err = v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
	})
}

func TestExpiryEndsTokensThatAreKnown(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t, verify.WithSkew(0))
		raw := i.Token(t, audience, map[string]any{"exp": time.Now().Unix() + 60})
		_, err := v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
		wait(time.Minute)
		_, err = v.Verify(t.Context(), raw)
		wantErr(t, err, verify.ErrExpired)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	i := newIssuer(t)
	v, err := i.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	derived := v.With(verify.RequireApplication())
	for range 2 {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = derived.Verify(t.Context(), i.Token(t, audience, nil))
	wantErr(t, err, verify.ErrUnavailable)
	for _, broken := range []string{"keys", "revocations", "openid-configuration"} {
		i.answer(broken, outage)
		_, err := i.open(t.Context())
		wantErr(t, err, errOutage)
		i.answer(broken, nil)
	}
}

func TestRefreshTellsWhetherTheIssuerAnswers(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		wait(10 * time.Second)
		i.Revoke(verifytest.ObjectID, time.Now().Add(time.Second))
		wantErr(t, v.Refresh(t.Context()), nil)
		_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
		wantErr(t, err, verify.ErrRevoked)
		i.answer("revocations", outage)
		wait(10 * time.Second)
		wantErr(t, v.Refresh(t.Context()), errOutage)
	})
}
