package login_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"midas/internal/api/httpx"
	"midas/internal/throttle"
)

// discardWriter discards the response, so that the benchmarks measure the handler alone.
type discardWriter struct {
	header http.Header
	status int
}

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *discardWriter) WriteHeader(status int)      { w.status = status }

func benchmark(b *testing.B, want int, form func(i int) string) {
	f := newFixture(b)
	f.Limits.Secrets = throttle.Rule{Burst: 1 << 30, Refill: 1}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		r := httptest.NewRequest(http.MethodPost, tokenV2, strings.NewReader(form(i)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := &discardWriter{header: http.Header{}}
		f.Serve(w, r, &httpx.Event{RequestID: request, ClientIP: "192.0.2.1"})
		if w.status != want {
			b.Fatalf("status %d", w.status)
		}
		i++
	}
}

func BenchmarkTokenWarm(b *testing.B) {
	form := clientCredentialsForm()
	benchmark(b, http.StatusOK, func(int) string { return form })
}

func BenchmarkTokenCold(b *testing.B) {
	benchmark(b, http.StatusOK, func(i int) string { return clientCredentialsForm("scope", fmt.Sprintf("api://%d/.default", i)) })
}

func BenchmarkTokenWrongSecret(b *testing.B) {
	form := clientCredentialsForm("client_secret", "wrong")
	benchmark(b, http.StatusUnauthorized, func(int) string { return form })
}

func BenchmarkDiscovery(b *testing.B) {
	f := newFixture(b)
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest(http.MethodGet, "/"+tenant+"/v2.0/.well-known/openid-configuration", nil)
		f.Serve(&discardWriter{header: http.Header{}}, r, &httpx.Event{})
	}
}

// BenchmarkSign measures one RSA signature, the minimum cost of a token that is not cached.
func BenchmarkSign(b *testing.B) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256([]byte("x"))
	for b.Loop() {
		if _, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}

// benchmarkGrant benchmarks a grant of a user.
func benchmarkGrant(b *testing.B, want int, form func(f *fixture) string) {
	f := newFixtureWithUsers(b)
	f.Passwords.PerUserAndAddress = throttle.Rule{Burst: 1 << 30, Refill: 1}
	f.Passwords.PerUser = throttle.Rule{Burst: 1 << 30, Refill: 1}
	f.Passwords.PerAddress = throttle.Rule{Burst: 1 << 30, Refill: 1}
	f.Passwords.PerNetwork = throttle.Rule{Burst: 1 << 30, Refill: 1}
	text := form(f)
	b.ReportAllocs()
	for b.Loop() {
		if w := f.post(tokenV2, text); w.Code != want {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
}

func BenchmarkPassword(b *testing.B) {
	benchmarkGrant(b, http.StatusOK, func(*fixture) string { return passwordForm("scope", armAudience+"/.default") })
}

func BenchmarkWrongPassword(b *testing.B) {
	benchmarkGrant(b, http.StatusBadRequest, func(*fixture) string { return passwordForm("password", "wrong") })
}

func BenchmarkRefresh(b *testing.B) {
	f := newFixtureWithUsers(b)
	token := f.signedIn(b)["refresh_token"].(string)
	b.ReportAllocs()
	for b.Loop() {
		answer, _ := f.granted(b, f.post(tokenV2, refreshForm(token, "scope", armAudience+"/.default offline_access")))
		token = answer["refresh_token"].(string)
	}
}
