package login_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"midas/internal/grant"
)

// interaction is one exchange between a client and the real Entra.
type interaction struct {
	Request struct {
		URL     string              `yaml:"url"`
		Method  string              `yaml:"method"`
		Form    map[string][]string `yaml:"form"`
		Headers map[string][]string `yaml:"headers"`
	} `yaml:"request"`
	Response struct {
		Body    string              `yaml:"body"`
		Code    int                 `yaml:"code"`
		Headers map[string][]string `yaml:"headers"`
	} `yaml:"response"`
}

func recorded(t *testing.T, name string) []interaction {
	t.Helper()
	data, err := os.ReadFile("../../../../shared/azure/recordings/entra/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recordings are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	var tape struct {
		Interactions []interaction `yaml:"interactions"`
	}
	if err := yaml.Unmarshal(data, &tape); err != nil {
		t.Fatal(err)
	}
	return tape.Interactions
}

// added are fields that Entra's discovery document lacks.
var added = []string{
	"code_challenge_methods_supported", "grant_types_supported", "introspection_endpoint", "introspection_endpoint_auth_methods_supported",
	"introspection_endpoint_auth_signing_alg_values_supported", "midas_revocations_uri", "request_parameter_supported",
	"token_endpoint_auth_signing_alg_values_supported",
}

// notSent are headers that are internal to Microsoft or that net/http adds.
var notSent = []string{"Content-Security-Policy-Report-Only", "X-Ms-Srs", "Date", "Content-Length"}

// TestResponsesMatchRecordedClientSecretExchange sends what azidentity sent to Entra, with our ids.
func TestResponsesMatchRecordedClientSecretExchange(t *testing.T) {
	f := newFixture(t)
	tape := recorded(t, "client_secret_credential.yaml")
	if len(tape) != 3 {
		t.Fatalf("%d interactions, want 3", len(tape))
	}
	for _, one := range tape {
		f.replay(t, one, func(form url.Values) {
			form.Set("client_id", client)
			form.Set("client_secret", secret)
		})
	}
}

func TestResponsesMatchRecordedCertificateExchange(t *testing.T) {
	f := newFixtureWithUsers(t)
	p := f.addCertificate(t)[0]
	for _, one := range recorded(t, "client_cert_credential.yaml") {
		f.replay(t, one, func(form url.Values) {
			form.Set("client_id", certApp)
			form.Set("client_assertion", f.assertion(p).sign(t))
		})
	}
}

// TestResponsesMatchRecordedWorkloadIdentityExchange replays what a workload sends with a token of another issuer.
func TestResponsesMatchRecordedWorkloadIdentityExchange(t *testing.T) {
	e := newExchange(t)
	tape := recorded(t, "workloadidentity_credential.yaml")
	if len(tape) != 3 {
		t.Fatalf("%d interactions, want 3", len(tape))
	}
	for _, one := range tape {
		e.replay(t, one, func(form url.Values) {
			form.Set("client_id", managedClient)
			form.Set("client_assertion", e.foreign().sign(t))
		})
	}
}

// TestResponsesMatchRecordedDeviceExchange polls as often as the recording does before the user signs in.
func TestResponsesMatchRecordedDeviceExchange(t *testing.T) {
	f := newFixtureWithUsers(t)
	tape := recorded(t, "device_code_credential.yaml")
	var device string
	for i, one := range tape {
		if i == len(tape)-1 {
			d, err := f.Grants.OpenDevice(t.Context(), device)
			if !errors.Is(err, grant.ErrPending) {
				t.Fatal(err)
			}
			f.browse(t).allow(d.UserCode, alice)
		}
		f.advance(10 * time.Second)
		body := f.replay(t, one, func(form url.Values) {
			form.Set("client_id", cli)
			form.Set("device_code", device)
		})
		if code, found := body["device_code"].(string); found {
			device = code
		}
	}
}

// replay sends a recorded request, with our ids, and compares the answers.
func (f *fixture) replay(t *testing.T, one interaction, ours func(url.Values)) (body map[string]any) {
	t.Helper()
	u, err := url.Parse(strings.ReplaceAll(one.Request.URL, "00000000-0000-0000-0000-000000000000", tenant))
	if err != nil {
		t.Fatal(err)
	}
	t.Run(u.Path, func(t *testing.T) {
		form := url.Values(one.Request.Form)
		if len(form) > 0 {
			ours(form)
		}
		r := httptest.NewRequest(one.Request.Method, u.RequestURI(), strings.NewReader(form.Encode()))
		r.Header = one.Request.Headers
		w := f.do(r)
		body = decode(t, w)
		if w.Code != one.Response.Code {
			t.Fatalf("status %d, Entra's was %d: %s", w.Code, one.Response.Code, w.Body)
		}
		compareFields(t, one.Response.Body, decode(t, w))
		compareHeaders(t, one.Response.Headers, w.Header())
	})
	return body
}

// compareFields compares the names of the body's fields, and the values that do not contain a host or a token,
// with Entra's.
func compareFields(t *testing.T, recorded string, got map[string]any) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal([]byte(recorded), &want); err != nil {
		t.Fatal(err)
	}
	for _, name := range added {
		delete(got, name)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("fields (-Entra +ours):\n%s", diff)
	}
	if want["id_token"] != nil {
		// Entra chooses a random lifetime for user tokens, so that not all expire at once.
		delete(want, "expires_in")
		delete(got, "expires_in")
		delete(want, "ext_expires_in")
		delete(got, "ext_expires_in")
	}
	for _, name := range []string{"error", "error_codes", "interval", "expires_in", "ext_expires_in", "token_type", "api-version", "subject_types_supported", "id_token_signing_alg_values_supported", "request_uri_parameter_supported", "tenant_discovery_endpoint"} {
		if text, ok := want[name].(string); ok {
			want[name] = strings.ReplaceAll(text, "00000000-0000-0000-0000-000000000000", tenant)
		}
		if diff := cmp.Diff(want[name], got[name]); diff != "" {
			t.Errorf("%s (-Entra +ours):\n%s", name, diff)
		}
	}
	if clouds, ok := want["metadata"].([]any); ok {
		ours, _ := got["metadata"].([]any)
		if diff := cmp.Diff(clouds, ours[:len(ours)-1]); diff != "" {
			t.Errorf("metadata (-Entra +ours, without our own cloud):\n%s", diff)
		}
	}
}

// compareHeaders compares the headers with Entra's, except for the name of the server.
func compareHeaders(t *testing.T, recorded, got map[string][]string) {
	t.Helper()
	want, ours := maps.Clone(recorded), maps.Clone(got)
	for _, name := range notSent {
		delete(want, name)
		delete(ours, name)
	}
	want["X-Ms-Ests-Server"] = []string{"Midas"}
	if want["Client-Request-Id"] != nil && ours["Client-Request-Id"] != nil {
		// Entra repeats the id of the device authorization request to a device that polls.
		want["Client-Request-Id"] = ours["Client-Request-Id"]
	}
	if diff := cmp.Diff(want, ours); diff != "" {
		t.Errorf("headers (-Entra +ours):\n%s", diff)
	}
}
