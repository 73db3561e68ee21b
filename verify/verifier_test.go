package verify_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"midas/verify"
	"midas/verify/verifytest"
)

func TestBothFormsOfTheIssuerWork(t *testing.T) {
	i := newIssuer(t)
	for _, form := range []string{i.URL, i.V1} {
		v, err := verify.New(t.Context(), form, audience, verify.WithHTTPClient(i.Client()))
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		for _, claims := range []map[string]any{nil, {"iss": i.V1, "ver": "1.0", "azp": nil, "appid": "client"}} {
			_, err := v.Verify(t.Context(), i.Token(t, audience, claims))
			wantErr(t, err, nil)
		}
		_ = v.Close()
	}
}

// document answers for the discovery documents: with the first text for version 2.0, with the second for 1.0.
func document(two, one string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		body := one
		if strings.Contains(r.URL.Path, "/v2.0/") {
			body = two
		}
		if body == "" {
			return status(http.StatusNotFound, "")(r)
		}
		return text(body)(r)
	}
}

func TestNewRefusesBadIssuersAndDocuments(t *testing.T) {
	i := newIssuer(t)
	base := "https://issuer.test/" + verifytest.Tenant
	good := func(issuer string) string {
		return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"midas_revocations_uri":%q}`, issuer, base+"/keys", base+"/revocations")
	}
	for name, tt := range map[string]struct {
		issuer, two, one, says string
	}{
		"no URL":                    {issuer: "::", says: "not a URL"},
		"http":                      {issuer: "http://issuer.test/t/v2.0", says: "https"},
		"no tenant":                 {issuer: "https://issuer.test/", says: "https://HOST/TENANT/v2.0"},
		"1.0 without a slash":       {issuer: base, says: "slash"},
		"2.0 with a slash":          {issuer: i.URL + "/", says: "another path"},
		"any tenant":                {issuer: "https://issuer.test/common/v2.0", says: "not one tenant"},
		"a query":                   {issuer: i.URL + "?a=b", says: "another path"},
		"a user":                    {issuer: "https://u:p@issuer.test/" + verifytest.Tenant + "/v2.0", says: "https://HOST/TENANT/v2.0"},
		"an escaped tenant":         {issuer: "https://issuer.test/a%2fb/v2.0", says: "https://HOST/TENANT/v2.0"},
		"a domain of the tenant":    {issuer: "https://issuer.test/corp.test/v2.0", says: "404"},
		"another issuer's document": {two: good("https://evil.test/" + verifytest.Tenant + "/v2.0"), one: good(i.V1), says: "not exactly"},
		"a template":                {two: good("https://issuer.test/{tenantid}/v2.0"), one: good(i.V1), says: "not exactly"},
		"a sister of another tenant": {two: good(i.URL), one: good("https://issuer.test/other/"),
			says: "not of the same tenant"},
		"keys elsewhere":      {two: strings.Replace(good(i.URL), base+"/keys", "https://evil.test/keys", 1), one: good(i.V1), says: "not at https://issuer.test"},
		"keys inside":         {two: strings.Replace(good(i.URL), base+"/keys", "https://169.254.169.254/keys", 1), one: good(i.V1), says: "not at https://issuer.test"},
		"keys by http":        {two: strings.Replace(good(i.URL), base+"/keys", "http://issuer.test/keys", 1), one: good(i.V1), says: "not at https://issuer.test"},
		"a list elsewhere":    {two: strings.Replace(good(i.URL), base+"/revocations", "https://evil.test/list", 1), one: good(i.V1), says: "not at https://issuer.test"},
		"no keys":             {two: `{"issuer":"` + i.URL + `"}`, one: good(i.V1), says: "no jwks_uri"},
		"an empty document":   {two: `{}`, one: good(i.V1), says: "not exactly"},
		"no JSON":             {two: `<html>`, one: good(i.V1), says: "invalid character"},
		"too long":            {two: strings.Repeat(" ", 1<<20) + good(i.URL), one: good(i.V1), says: "longer than 1048576 bytes"},
		"no document at all":  {two: "", one: good(i.V1), says: "404"},
		"no sister is enough": {two: good(i.URL)},
	} {
		if tt.issuer == "" {
			tt.issuer = i.URL
			i.answer("openid-configuration", document(tt.two, tt.one))
		} else {
			i.answer("openid-configuration", nil)
		}
		v, err := verify.New(t.Context(), tt.issuer, audience, verify.WithHTTPClient(&http.Client{Transport: i}))
		if err == nil {
			_ = v.Close()
		}
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: the error is %v, want %q", name, err, tt.says)
		}
	}
}

// Without a document of version 1.0 there are no tokens of that version.
func TestVersionWithoutADocumentIsRefused(t *testing.T) {
	i := newIssuer(t)
	base := "https://issuer.test/" + verifytest.Tenant
	i.answer("openid-configuration", document(fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"midas_revocations_uri":%q}`, i.URL, base+"/keys", base+"/revocations"), ""))
	v := i.verifier(t)
	_, err := v.Verify(t.Context(), i.Token(t, audience, nil))
	wantErr(t, err, nil)
	_, err = v.Verify(t.Context(), i.Token(t, audience, map[string]any{"iss": i.V1, "ver": "1.0", "appid": "client"}))
	wantErr(t, err, verify.ErrIssuer)
	_, err = v.Verify(t.Context(), i.Token(t, audience, map[string]any{"iss": nil, "ver": "1.0", "appid": "client"}))
	wantErr(t, err, verify.ErrMalformed)
}

func TestBadOptionsAreRefused(t *testing.T) {
	i := newIssuer(t)
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	for name, o := range map[string]verify.Option{
		"negative skew":        verify.WithSkew(-1),
		"long skew":            verify.WithSkew(time.Hour),
		"keys for no time":     verify.WithKeysMaxAge(0),
		"list for no time":     verify.WithRevocationsMaxAge(time.Second),
		"no client":            verify.WithHTTPClient(nil),
		"no logger":            verify.WithLogger(nil),
		"a CA without PEM":     verify.WithCA([]byte("x")),
		"an empty audience":    verify.WithAudiences(""),
		"no role":              verify.RequireAnyRole(),
		"a role without name":  verify.RequireAllRoles("a", ""),
		"no requirement":       verify.Requirement{},
		"an empty alternative": verify.AnyOf(),
	} {
		if _, err := i.open(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := verify.New(t.Context(), i.URL, "", verify.WithHTTPClient(i.Client())); err == nil {
		t.Error("no audience: no error")
	}
	v := i.verifier(t, verify.WithAudiences("api://other", "client"), verify.WithLogger(slog.New(slog.DiscardHandler)))
	for _, a := range []string{audience, "api://other", "client"} {
		_, err := v.Verify(t.Context(), i.Token(t, a, nil))
		wantErr(t, err, nil)
	}
}

// TestConnectionsAreLimited uses real connections: a certificate that is not trusted, redirects, and answers without
// an end.
func TestConnectionsAreLimited(t *testing.T) {
	var elsewhere int
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	mux.HandleFunc("/redirect/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere++ })
	mux.HandleFunc("/endless/", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	})
	for path, says := range map[string]string{"redirect": "redirects are not followed", "endless": "longer than 1048576 bytes"} {
		_, err := verify.New(t.Context(), server.URL+"/"+path+"/v2.0", audience, verify.WithHTTPClient(server.Client()))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if elsewhere != 0 {
		t.Error("a redirect was followed")
	}
	if _, err := verify.New(t.Context(), server.URL+"/t/v2.0", audience); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
}

func TestManyGoroutinesShareAVerifier(t *testing.T) {
	i := newIssuer(t)
	v := i.verifier(t)
	tokens := make([]string, 8)
	for n := range tokens {
		tokens[n] = i.Token(t, audience, map[string]any{"uti": fmt.Sprint(n)})
	}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for k := range 200 {
				if _, err := v.Verify(t.Context(), tokens[(n+k)%len(tokens)]); err != nil {
					t.Error(err)
					return
				}
				if k%50 == 0 {
					_ = v.Refresh(t.Context())
				}
			}
		})
	}
	wg.Wait()
}

func TestKnownTokensAllocateNothing(t *testing.T) {
	i := newIssuer(t)
	for range 3 {
		v := i.verifier(t).With(verify.RequireApplication(), verify.RequireAnyRole("Orders.Read"))
		raw := i.Token(t, audience, map[string]any{"roles": []string{"Orders.Read"}})
		if n := testing.AllocsPerRun(100, func() {
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations", n)
		}
		i.AddKey(t) // with more keys, too
	}
}

func BenchmarkVerifyKnown(b *testing.B) {
	i := newIssuer(b)
	v := i.verifier(b, verify.RequireAnyRole("Orders.Read"))
	raw := i.Token(b, audience, map[string]any{"roles": []string{"Orders.Read"}, "xms_mirid": strings.Repeat("x", 120)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), raw); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyKnownParallel has a list of ten thousand revocations.
func BenchmarkVerifyKnownParallel(b *testing.B) {
	i := newIssuer(b)
	for n := range 10_000 {
		i.Revoke(fmt.Sprint("object-", n), time.Now())
	}
	v := i.verifier(b)
	raw := i.Token(b, audience, nil)
	if _, err := v.Verify(b.Context(), raw); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer() // after the list was fetched
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := v.Verify(b.Context(), raw); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkVerifyUnknown(b *testing.B) {
	i := newIssuer(b)
	v := i.verifier(b)
	tokens := make([]string, 256)
	for n := range 256 {
		tokens[n] = i.Token(b, audience, map[string]any{"uti": fmt.Sprint(n)})
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n == 256 { // all are known: begin with an empty cache
			b.StopTimer()
			v, n = i.verifier(b), 0
			b.StartTimer()
		}
		if _, err := v.Verify(b.Context(), tokens[n]); err != nil {
			b.Fatal(err)
		}
		n++
	}
}
