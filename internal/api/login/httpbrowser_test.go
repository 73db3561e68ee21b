package login_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// httpBrowser is a browser with a real connection, which keeps cookies by host as browsers do, and the key by
// origin. It follows redirects within the host.
type httpBrowser struct {
	t      testing.TB
	http   *http.Client
	keys   map[string]string // by origin
	cookie string            // sent instead of the cookies of the jar
	page   string
}

func newHTTPBrowser(t testing.TB, httpClient *http.Client) *httpBrowser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &httpBrowser{t: t, keys: map[string]string{}}
	transport := httpClient.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.InsecureSkipVerify = true // the other program has a certificate of its own
	s.http = &http.Client{Transport: transport, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

// open opens a page, does what its script does, and returns the Location header.
func (s *httpBrowser) open(address string) string {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.send(r)
}

func (s *httpBrowser) send(r *http.Request) string {
	s.t.Helper()
	if s.cookie != "" {
		r.Header.Set("Cookie", s.cookie)
	}
	resp, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.page = string(body)
	if strings.Contains(s.page, `name="action" value="resume"`) {
		return s.submit(r.URL)
	}
	return resp.Header.Get("Location")
}

// submit sends the form of the page, with the key of its origin.
func (s *httpBrowser) submit(at *url.URL, fields ...string) string {
	s.t.Helper()
	m := formAction.FindStringSubmatch(s.page)
	if m == nil {
		s.t.Fatalf("no form: %s", s.page)
	}
	values := url.Values{}
	for _, hidden := range formHidden.FindAllStringSubmatch(s.page, -1) {
		values.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	values.Set("key", s.keys[at.Scheme+"://"+at.Host])
	for i := 0; i < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	to, err := at.Parse(html.UnescapeString(m[1]))
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, to.String(), strings.NewReader(values.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	return s.send(r)
}

// signIn goes to a sign-in page and fills it in as Alice.
func (s *httpBrowser) signIn(address string) {
	s.t.Helper()
	at := mustParse(s.t, address)
	s.keys[at.Scheme+"://"+at.Host] = (&fixture{}).browse(s.t).key
	s.open(address)
	if to := s.submit(at, "action", "signin", "username", alice, "password", password); !strings.Contains(to, "code=") {
		s.t.Fatalf("sent to %q: %s", to, s.page)
	}
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
