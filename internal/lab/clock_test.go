package lab_test

import (
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"midas"
	"midas/midastest"
)

const subscriptions = "/subscriptions?api-version=2022-12-01"

func TestTokensExpireWhenTheClockIsMoved(t *testing.T) {
	l := start(t)
	token := l.Token(t, midastest.Management)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 200 {
		t.Fatal(a.text)
	}
	before := l.Now()
	state := l.lab("POST", "/clock", `{"advance":"25h"}`, 200)
	if ahead := state.at(t, "ahead"); ahead != "25h0m0s" || l.Now().Sub(before) < 25*time.Hour {
		t.Errorf("the clock is ahead by %v", ahead)
	}
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 401 || a.code(t) != "ExpiredAuthenticationToken" {
		t.Errorf("a token of yesterday: %d %s", a.status, a.text)
	}
	if a := l.send("GET", "/lab/v1", "", bearer(token)); a.status != 401 {
		t.Errorf("a token of yesterday at the laboratory: %d %s", a.status, a.text)
	}
	l.arm("GET", subscriptions, "", 200) // with a new token
	// The server's certificate and its authority end, and clients whose clock has not moved accept the next ones.
	l.lab("POST", "/clock", `{"advance":"78000h"}`, 200) // nine years: the secret of the administrator ends after ten
	l.Client().CloseIdleConnections()
	l.arm("GET", subscriptions, "", 200)
	if end := l.lab("GET", "", "", 200); end.status != 200 {
		t.Error(end.text)
	}
}

func TestClockIsStoppedStartedAndSet(t *testing.T) {
	l := start(t)
	l.lab("POST", "/clock", `{"stop":true}`, 200)
	first, second := l.lab("GET", "/clock", "", 200).at(t, "now"), l.lab("GET", "/clock", "", 200).at(t, "now")
	if first != second {
		t.Errorf("a clock that stands shows %v and %v", first, second)
	}
	to := l.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	a := l.lab("POST", "/clock", `{"set":"`+to.Format(time.RFC3339)+`"}`, 200)
	if now := a.at(t, "now"); now != to.Format(time.RFC3339) || a.at(t, "stopped") != true {
		t.Errorf("the clock was set to %v and shows %s", to, a.text)
	}
	if a := l.lab("POST", "/clock", `{"start":true}`, 200); a.at(t, "stopped") != false {
		t.Error(a.text)
	}
	for body, code := range map[string]string{
		`{}`: "InvalidParameter", `{"advance":"-1h"}`: "InvalidParameter", `{"advance":"1"}`: "InvalidParameter", `{"advance":1}`: "InvalidRequestContent",
		`{"stop":true,"start":true}`: "InvalidParameter", `{"advance":"1h","set":"2100-01-01T00:00:00Z"}`: "InvalidParameter",
		`{"set":"2001-01-01T00:00:00Z"}`: "ClockBackwards", `{"set":"9999-01-01T00:00:00Z"}`: "InvalidParameter", `{"set":"tomorrow"}`: "InvalidRequestContent",
	} {
		if got := l.lab("POST", "/clock", body, 400).code(t); got != code {
			t.Errorf("%s: %s, want %s", body, got, code)
		}
	}
}

func TestKeysRotateWhenTheClockIsMoved(t *testing.T) {
	l := start(t, midastest.With(func(c *midas.Config) { c.Keys.RotateEvery, c.Keys.PublishBefore = 30*24*time.Hour, 24*time.Hour }))
	l.Token(t, midastest.Management)
	keys := func() int {
		return strings.Count(l.send("GET", "/common/discovery/v2.0/keys", "", nil).text, `"kid"`)
	}
	if got := keys(); got != 1 {
		t.Fatalf("%d keys at the start", got)
	}
	l.Advance(t, 31*24*time.Hour)
	for deadline := time.Now().Add(30 * time.Second); keys() < 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no new key is published after a month")
		}
	}
}

// The metadata endpoint that the server itself runs follows its clock.
func TestMetadataEndpointFollowsTheClock(t *testing.T) {
	var resource string
	l := start(t, midastest.With(func(c *midas.Config) {
		resource = "/subscriptions/" + midas.LabSubscriptionID + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1"
		c.Metadata = []midas.MetadataConfig{{Resource: resource, Listen: "127.0.0.1:0"}}
	}))
	l.create("app")
	l.arm("PUT", resource+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`, 201)
	first := imds(t, l, 200).at(t, "access_token").(string)
	if again := imds(t, l, 200).at(t, "access_token"); again != first {
		t.Error("the endpoint does not keep its token")
	}
	l.Advance(t, 25*time.Hour)
	second := imds(t, l, 200).at(t, "access_token").(string)
	if second == first {
		t.Error("the endpoint gives a token of yesterday")
	}
	l.Advance(t, 2*365*24*time.Hour) // the host's certificate ends
	if third := imds(t, l, 200).at(t, "access_token"); third == second {
		t.Error("the endpoint gives a token of two years ago")
	}
	l.Reset(t)
	l.create("app")
	l.arm("PUT", resource+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`, 201)
	if a := imds(t, l, 200); a.at(t, "access_token") == second {
		t.Error("the endpoint gives a token of before the reset")
	}
}

// A reset ends what the endpoint knows of failures, whose times may be of the future.
func TestMetadataEndpointAnswersAtOnceAfterAReset(t *testing.T) {
	resource := "/subscriptions/" + midas.LabSubscriptionID + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1"
	l := start(t, midastest.With(func(c *midas.Config) {
		c.Metadata = []midas.MetadataConfig{{Resource: resource, Listen: "127.0.0.1:0"}}
	}))
	l.create("app")
	l.arm("PUT", resource+"?api-version=2024-03-01", `{"location":"eastus","identity":{"type":"SystemAssigned"}}`, 201)
	imds(t, l, 200)
	l.Capture(t)
	l.lab("POST", "/faults", `{"match":{"api":"hosts"},"status":503}`, 200)
	l.Advance(t, 30*time.Hour)
	imds(t, l, 503)
	l.Reset(t)
	if a := do(t, http.DefaultClient, imdsRequest(t, l)); a.status != 200 {
		t.Errorf("after the reset: %d %s", a.status, a.text)
	}
}

// imdsRequest is a request to the first metadata endpoint for a token.
func imdsRequest(t *testing.T, l laboratory) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", l.MetadataURLs()[0]+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fmanagement.azure.com%2F", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Metadata", "true")
	return req
}

// imds asks the first metadata endpoint for a token.
func imds(t *testing.T, l laboratory, want int) answer {
	t.Helper()
	req := imdsRequest(t, l)
	var a answer
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if a = do(t, http.DefaultClient, req); a.status == want {
			return a
		}
		if time.Now().After(deadline) {
			t.Fatalf("IMDS: %d %s, want %d", a.status, a.text, want)
		}
	}
}

func TestClockOptionOfMidastest(t *testing.T) {
	l := laboratory{midastest.Start(t, midastest.Clock()), t}
	token := l.Token(t, midastest.Management)
	l.Advance(t, 25*time.Hour)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 401 {
		t.Errorf("a token of yesterday: %d", a.status)
	}
	if a := l.send("GET", "/lab/v1", "", basic); a.status != 404 && a.status != 401 {
		t.Errorf("the laboratory of a server without --lab: %d", a.status)
	}
}

// A time beyond the year 9999, or one that overflows, would leave records that cannot be read.
func TestAdvanceIsBounded(t *testing.T) {
	server, err := midas.Start(t.Context(), midas.Config{Data: t.TempDir(), Listen: "127.0.0.1:0", Store: "memory:", MovableClock: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := server.Advance(t.Context(), 90*365*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	for _, d := range []time.Duration{-1, 11 * 365 * 24 * time.Hour, math.MaxInt64} {
		if err := server.Advance(t.Context(), d); err == nil {
			t.Errorf("the clock is moved by %s to %s", d, server.Now())
		}
	}
}
