package verify_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas/verify"
	"midas/verify/verifytest"
)

const listType = "midas-revocations+jwt"

// entry is an entry of a list of revocations.
func entry(oid string, before time.Time) map[string]any {
	return map[string]any{"oid": oid, "before": before.Unix()}
}

// never is the before of a subject that is disabled or gone.
var never = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// signs lets the issuer answer with a list that is signed for each request.
func (i *issuerOf) signs(t *testing.T, version uint64, revoked ...any) {
	t.Helper()
	i.answer("revocations", func(r *http.Request) (*http.Response, error) {
		return text(i.list(t, listType, map[string]any{"version": version, "revoked": append([]any{}, revoked...)}))(r)
	})
}

// A list that was signed before the newest one does not end a revocation, whatever its version is: an attacker or a
// cache has kept it.
func TestOlderListDoesNotReplaceANewerOne(t *testing.T) {
	for _, version := range []uint64{6, 7, 8} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			within(t, func(t *testing.T, i *issuerOf) {
				old := i.list(t, listType, map[string]any{"version": version, "exp": time.Now().Unix() + 86400})
				wait(2 * time.Minute)
				i.signs(t, 7, entry(verifytest.ObjectID, time.Now().Add(time.Second)))
				v := i.verifier(t)
				raw := i.Token(t, audience, nil)
				i.answer("revocations", text(old))
				wait(5 * time.Minute)
				_, err := v.Verify(t.Context(), raw)
				wantErr(t, err, verify.ErrRevoked)
				wait(6 * time.Minute)
				_, err = v.Verify(t.Context(), raw)
				wantErr(t, err, verify.ErrUnavailable) // an older list confirms nothing
				if err != nil && !strings.Contains(err.Error(), "is older than version 7") {
					t.Errorf("the error does not say why: %v", err)
				}
			})
		})
	}
}

// Each older list that is accepted would let one follow that is older still.
func TestListsOfOverlappingTimesDoNotLeadBack(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		now := time.Now().Unix()
		for n := range 10 {
			i.answer("revocations", text(i.list(t, listType, map[string]any{"version": 200 + n, "iat": now - 40*int64(n), "exp": now + 3600})))
			wait(20 * time.Second)
			if err := v.Refresh(t.Context()); (err == nil) != (n < 2) {
				t.Errorf("a list of %d s ago: %v", 40*n, err)
			}
		}
	})
}

// The server was started again without its state, or restored from a backup: its version is lower. Services go on,
// and what they know as revoked stays revoked.
func TestServicesGoOnAfterTheStoreWasReplaced(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		raw := func(oid string) string {
			return i.Token(t, audience, map[string]any{"oid": oid, "exp": time.Now().Unix() + 86400})
		}
		stolen, earlier, innocent := raw("stolen"), raw("disabled"), raw("innocent")
		i.signs(t, 700, entry("stolen", time.Now().Add(time.Second)), entry("disabled", never))
		v := i.verifier(t)
		wait(2 * time.Second) // the restart is short
		i.signs(t, 3, entry("innocent", time.Now().Add(time.Second)))
		for range 2 * 60 {
			wait(time.Minute)
			_, err := v.Verify(t.Context(), raw("another"))
			wantErr(t, err, nil)
		}
		for name, tt := range map[string]struct {
			token string
			want  error
		}{
			"revoked before the restart": {stolen, verify.ErrRevoked}, "disabled before the restart": {earlier, verify.ErrRevoked},
			"revoked after the restart":       {innocent, verify.ErrRevoked},
			"a new one of the disabled":       {raw("disabled"), nil},
			"a new one of the revoked":        {raw("stolen"), nil},
			"a new one of the later revoked":  {raw("innocent"), nil},
			"one of nobody who was revoked":   {raw("another"), nil},
			"one without an exact issue time": {i.Token(t, audience, map[string]any{"oid": "stolen", "midas_iat": nil}), nil},
		} {
			if _, err := v.Verify(t.Context(), tt.token); !errors.Is(err, tt.want) {
				t.Errorf("%s: the error is %v, want %v", name, err, tt.want)
			}
		}
		i.signs(t, 4)
		wait(29 * time.Hour) // the last token has expired
		_, err := v.Verify(t.Context(), i.Token(t, audience, map[string]any{"oid": "stolen", "midas_iat": 1}))
		wantErr(t, err, nil)
	})
}

// Servers with one store sign the same list at different times.
func TestListsOfSeveralServersConfirmEachOther(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		revoked := []any{entry(verifytest.ObjectID, time.Now().Add(time.Second))}
		list := func() string {
			return i.list(t, listType, map[string]any{"version": 7, "exp": time.Now().Unix() + 3600, "revoked": revoked})
		}
		first := list()
		wait(8 * time.Minute)
		second, asked := list(), 0
		i.answer("revocations", func(r *http.Request) (*http.Response, error) {
			asked++
			return text([]string{second, first}[asked%2])(r)
		})
		v := i.verifier(t, verify.WithRevocationsMaxAge(time.Minute))
		raw := i.Token(t, audience, map[string]any{"midas_iat": time.Now().Unix() - 600})
		for range 40 {
			wait(time.Minute)
			_, err := v.Verify(t.Context(), raw)
			wantErr(t, err, verify.ErrRevoked)
		}
		i.answer("revocations", text(i.list(t, listType, map[string]any{"version": 8, "iat": time.Now().Unix() - 50}))) // a clock that is late
		wantErr(t, v.Refresh(t.Context()), nil)
	})
}

// A server whose clock was ahead must not make all of its later lists older.
func TestListOfALaterTimeIsRefused(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t)
		ahead := i.list(t, listType, map[string]any{"version": 200, "iat": time.Now().Unix() + 86400, "exp": time.Now().Unix() + 90000})
		i.answer("revocations", text(ahead))
		wait(2 * time.Minute)
		if err := v.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "has not come yet") {
			t.Errorf("the error is %v", err)
		}
		i.answer("revocations", text(i.list(t, listType, map[string]any{"version": 200, "iat": time.Now().Unix() + 300})))
		wait(time.Minute)
		wantErr(t, v.Refresh(t.Context()), nil) // a token of that time is good, too
		for version := range uint64(20) {       // the clock was set right
			i.signs(t, 201+version)
			wait(time.Minute)
			_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
			wantErr(t, err, nil)
		}
		wantErr(t, v.Refresh(t.Context()), nil)
	})
}

// An issuer says by exp how long its list may be used. A longer time of the service does not count.
func TestListEndsWithItsExpiry(t *testing.T) {
	within(t, func(t *testing.T, i *issuerOf) {
		v := i.verifier(t, verify.WithRevocationsMaxAge(24*time.Hour))
		raw := i.Token(t, audience, nil)
		i.answer("revocations", outage)
		wait(9 * time.Minute)
		_, err := v.Verify(t.Context(), raw)
		wantErr(t, err, nil)
		wait(10 * time.Minute)
		_, err = v.Verify(t.Context(), raw)
		wantErr(t, err, verify.ErrUnavailable)
	})
}

func TestObjectIDsOfAListHaveNoCase(t *testing.T) {
	const small, capital = "0f8fad5b-d9cb-469f-a165-70867728950e", "0F8FAD5B-D9CB-469F-A165-70867728950E"
	for _, listed := range []string{small, capital} {
		within(t, func(t *testing.T, i *issuerOf) {
			i.signs(t, 7, entry(listed, time.Now().Add(time.Second)))
			v := i.verifier(t)
			for _, oid := range []string{small, capital} {
				_, err := v.Verify(t.Context(), i.Token(t, audience, map[string]any{"oid": oid}))
				wantErr(t, err, verify.ErrRevoked)
			}
		})
	}
}
