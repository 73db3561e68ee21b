//go:build e2e

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// browser is a person's browser without scripts: it keeps cookies, follows redirects, fills forms.
type browser struct {
	*http.Client
	at   *url.URL
	page string
}

func newBrowser(t *testing.T, data string) *browser {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(data, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{Client: &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}}
}

// open goes to a page.
func (b *browser) open(t *testing.T, address string) {
	t.Helper()
	resp, err := b.Get(address)
	b.show(t, resp, err)
}

func (b *browser) show(t *testing.T, resp *http.Response, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", resp.Request.URL, resp.Status, text)
	}
	b.at, b.page = resp.Request.URL, string(text)
}

// submit fills the form of the page, whose hidden fields stay as they are, and sends it as a browser
// does.
func (b *browser) submit(t *testing.T, fields map[string]string) {
	t.Helper()
	action := regexp.MustCompile(`<form[^>]* action="([^"]*)"`).FindStringSubmatch(b.page)
	if action == nil {
		t.Fatalf("no form on %s:\n%s", b.at, b.page)
	}
	form := url.Values{}
	for _, hidden := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(b.page, -1) {
		form.Set(hidden[1], html.UnescapeString(hidden[2]))
	}
	for name, value := range fields {
		if !regexp.MustCompile(` name="` + name + `"`).MatchString(b.page) {
			t.Fatalf("no field %s on %s:\n%s", name, b.at, b.page)
		}
		form.Set(name, value)
	}
	target, err := b.at.Parse(html.UnescapeString(action[1]))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", b.at.Scheme+"://"+b.at.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.Do(req)
	b.show(t, resp, err)
}
