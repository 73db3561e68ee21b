package login_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/login"
	"midas/internal/store"
)

func TestErrorsHaveEntrasShape(t *testing.T) {
	f := newFixture(t)
	w := f.post(tokenV2, clientCredentialsForm("client_secret", "wrong"), "Client-Request-Id", caller)
	const text = "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '" + client + "'."
	want := map[string]any{
		"error":             "invalid_client",
		"error_description": text + " Trace ID: " + request + " Correlation ID: " + caller + " Timestamp: 2026-03-14 09:26:53Z",
		"error_codes":       []any{7000215.0},
		"timestamp":         "2026-03-14 09:26:53Z",
		"trace_id":          request,
		"correlation_id":    caller,
		"error_uri":         "https://login.microsoftonline.com/error?code=7000215",
	}
	if diff := cmp.Diff(want, decode(t, w)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	headers := map[string]string{}
	for _, name := range []string{"Cache-Control", "Client-Request-Id", "Content-Type", "Expires", "Pragma", "X-Ms-Clitelem", "X-Ms-Ests-Server"} {
		headers[name] = w.Header().Get(name)
	}
	wantHeaders := map[string]string{
		"Cache-Control": "no-store, no-cache", "Client-Request-Id": caller, "Content-Type": "application/json; charset=utf-8",
		"Expires": "-1", "Pragma": "no-cache", "X-Ms-Clitelem": "1,7000215,0,,", "X-Ms-Ests-Server": "Midas",
	}
	if diff := cmp.Diff(wantHeaders, headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestCorrelationIDComesFromTheClient(t *testing.T) {
	f := newFixture(t)
	made := func(id string) bool { return strings.HasPrefix(id, "00000000-0000-4000-8000-") }
	tests := []struct {
		name, query, header string
		want                string // "" means a new one
	}{
		{"from the header", "", caller, caller},
		{"from the query", "?client-request-id=" + caller, "", caller},
		{"the header's first", "?client-request-id=x", caller, caller},
		{"none", "", "", ""},
		{"one with a line break", "?client-request-id=a%0d%0ab", "", ""},
		{"one with a space", "", "a b", ""},
		{"one that is too long", "", strings.Repeat("a", 65), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var headers []string
			if test.header != "" {
				headers = []string{"Client-Request-Id", test.header}
			}
			w := f.post(tokenV2+test.query, "", headers...)
			got, _ := decode(t, w)["correlation_id"].(string)
			if test.want == "" && !made(got) || test.want != "" && got != test.want {
				t.Errorf("correlation_id %q, want %q", got, test.want)
			}
			if echo := w.Header().Get("Client-Request-Id"); echo != test.want {
				t.Errorf("Client-Request-Id %q, want %q", echo, test.want)
			}
			if f.event.CorrelationID != got {
				t.Errorf("the event has %q", f.event.CorrelationID)
			}
		})
	}
}

func TestServerErrorsDoNotRevealTheCause(t *testing.T) {
	f := newFixture(t)
	if _, err := f.store.Update(context.Background(), func(tx store.Tx) error {
		tx.Put("d//tenant/"+tenant, []byte(`{"v":1,"internal":`))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*httptest.ResponseRecorder{
		f.post(tokenV2, clientCredentialsForm()), f.get("/" + tenant + "/.well-known/openid-configuration"), f.get("/" + tenant + "/discovery/keys"),
	} {
		body := decode(t, w)
		if w.Code != 500 || body["error"] != "server_error" || strings.Contains(w.Body.String(), "d//tenant") {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		if f.event.Err == nil || !strings.Contains(f.event.Err.Error(), "d//tenant") {
			t.Errorf("the event does not contain the cause: %v", f.event.Err)
		}
	}
}

// TestRecordsOfNewerVersionsAreUnavailable checks that no token is issued if a record that is read for it has a
// newer version.
func TestRecordsOfNewerVersionsAreUnavailable(t *testing.T) {
	for _, kind := range []store.Kind{store.TenantKind, store.AppKind, store.PrincipalKind, store.PrincipalAppIndex} {
		f := newFixture(t)
		raised := 0
		if _, err := f.store.Update(context.Background(), func(tx store.Tx) error {
			raised = 0
			for rec, err := range tx.Scan(store.Range{Prefix: "d/"}) {
				if err != nil {
					return err
				}
				if kind.Holds(rec.Key) {
					tx.Put(rec.Key, []byte(strings.Replace(string(rec.Value), `{"v":1`, `{"v":2`, 1)))
					raised++
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		w := f.post(tokenV2, clientCredentialsForm())
		if body := decode(t, w); raised == 0 || w.Code != 503 || body["error"] != "temporarily_unavailable" || strings.Contains(w.Body.String(), "newer") {
			t.Errorf("%s: %d raised, status %d: %s", kind.Name, raised, w.Code, w.Body)
		}
		if !errors.Is(f.event.Err, store.ErrNewerVersion) {
			t.Errorf("%s: the event says %v", kind.Name, f.event.Err)
		}
	}
}

func TestErrorsAreLoggedByCodeOnly(t *testing.T) {
	f := newFixture(t)
	f.post(tokenV2, clientCredentialsForm("client_id", "someone"))
	var e *login.Error
	if !errors.As(f.event.Err, &e) {
		t.Fatalf("the event's error is %v", f.event.Err)
	}
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "err", e)
	if got := out.String(); !strings.Contains(got, "err.error=unauthorized_client err.aadsts=700016") || strings.Contains(got, "someone") {
		t.Errorf("logged as %s", got)
	}
}
