package login

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/directory"
)

//go:embed page
var pageFiles embed.FS

//go:embed page/style.css
var style string

//go:embed page/key.js
var keyScript string

// templates are the parsed pages.
var templates = template.Must(template.New("pages").
	Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) }, "keyScript": func() template.JS { return template.JS(keyScript) },
		"marked": marked, "plainly": plainly,
	}).
	ParseFS(pageFiles, "page/*.html"))

// styleSource and keySource are policy sources that allow exactly the embedded style sheet and script.
var styleSource, keySource = hashSource(style), hashSource(keyScript)

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is the data of a page.
type page struct {
	Title, Tenant    string
	Error, ErrorCode string // why the last attempt failed

	App, User, Code string // names are isolated, except in the user name field
	Device, Local   bool   // the application waits on another device, or is a program on this one
	Action, Request string // of the form
	Reply           []field
	Consent         *consentView
	Nonce           string

	Text, Trace, Correlation, Time string

	Framed bool // a page of the client shows this one in a frame

	target string // the redirect URI to which the form may lead in the end
	framer string // the origin whose pages may show this one in a frame
}

// field is one parameter of an authorization response.
type field struct{ Name, Value string }

// show answers with a page. Its policy allows no resources of other origins, no script except the one that
// submits a reply or adds the browser's key, and no framing. Only the pages of a silent request may be
// framed by the client, because they have nothing to click on.
func (x *request) show(status int, name string, p page) error {
	script := ""
	switch name {
	case "formpost":
		p.Nonce = rand.Text()
		script = "; script-src 'nonce-" + p.Nonce + "'"
	case "signin", "resume":
		script = "; script-src " + keySource
	}
	p.Framed = p.framer != ""
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, p); err != nil {
		return fmt.Errorf("make the %s page: %w", name, err)
	}
	head := x.w.Header()
	private.Set(head)
	unframed.Set(head)
	framer := "'none'"
	if p.Framed {
		framer = p.framer
		head.Del("X-Frame-Options") // it cannot name an origin
	}
	head.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleSource+script+
		"; form-action 'self'"+source(p.target)+"; frame-ancestors "+framer+"; base-uri 'none'")
	head["Content-Type"] = []string{"text/html; charset=utf-8"}
	httpx.WriteBody(x.w, status, body.Bytes())
	return nil
}

// unframed are the headers of pages. The address of a sign-in page has the parameters of the request, so no
// other site gets it as Referer.
var unframed = httpx.Fixed(
	"Referrer-Policy", "same-origin",
	"X-Frame-Options", "DENY",
)

// source returns the policy source of a redirect URI: browsers apply the form-action of the page with the
// form to the redirect that follows it too.
func source(redirect string) string {
	scheme, host := policyOrigin(redirect)
	switch {
	case scheme == "":
		return ""
	case host == "":
		return " " + scheme + ":"
	}
	return " " + scheme + "://" + host
}

// policyOrigin returns scheme and host of a URI if they have no characters with a meaning in a policy. The
// host is empty if a policy cannot express it, as with IPv6 addresses and the schemes of programs.
func policyOrigin(uri string) (scheme, host string) {
	u, err := url.Parse(uri)
	if err != nil || !directory.PlainScheme(u.Scheme) {
		return "", ""
	}
	if (u.Scheme == "http" || u.Scheme == "https") && directory.PlainHost(u.Host) {
		host = u.Host
	}
	return u.Scheme, host
}

// failPage answers with a page that shows an error.
func (x *request) failPage(e *Error, now time.Time) {
	if err := x.show(e.Status, "message", page{
		Title: "Sign-in did not work", Error: e.Text, ErrorCode: fmt.Sprintf("AADSTS%d", e.Number),
		Trace: x.ev.RequestID, Correlation: x.correlation, Time: stamp(now),
	}); err != nil {
		x.ev.Err = fmt.Errorf("%w; %w", x.ev.Err, err)
		http.Error(x.w, "internal error", http.StatusInternalServerError)
	}
}
