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

// templates are the pages. They are read once and never change.
var templates = template.Must(template.New("pages").
	Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) }, "keyScript": func() template.JS { return template.JS(keyScript) },
		"marked": marked, "plainly": plainly,
	}).
	ParseFS(pageFiles, "page/*.html"))

// styleSource and keySource allow exactly our style sheet and our script.
var styleSource, keySource = hashSource(style), hashSource(keyScript)

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// page is what a page shows.
type page struct {
	Title, Tenant    string
	Error, ErrorCode string // what went wrong with the last try

	App, User, Code string // names are isolated, but in the field of the user's name
	Device, Local   bool   // the application waits on another device, or is a program on this one
	Action, Request string // of the form
	Reply           []field
	Consent         *consentView
	Nonce           string

	Text, Trace, Correlation, Time string

	Framed bool // a page of the client's holds this one in a frame

	target string // where the form may lead in the end, besides here
	framer string // the origin whose pages may hold this one in a frame
}

// field is one value of a reply that a page carries to the client.
type field struct{ Name, Value string }

// show answers with a page. Nothing in it is loaded from anywhere, no script runs but the one that sends a
// reply on or takes the browser's key along, and no other page may hold it in a frame, but a silent
// request's: that one shows nothing to click on.
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
		head.Del("X-Frame-Options") // which can name nobody
	}
	head.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleSource+script+
		"; form-action 'self'"+source(p.target)+"; frame-ancestors "+framer+"; base-uri 'none'")
	head["Content-Type"] = []string{"text/html; charset=utf-8"}
	httpx.WriteBody(x.w, status, body.Bytes())
	return nil
}

// unframed are the headers of pages. The address of a sign-in page tells what the user is about to
// do, so no other site gets it.
var unframed = httpx.Fixed(
	"Referrer-Policy", "same-origin",
	"X-Frame-Options", "DENY",
)

// source is a redirect URI as a policy names it: browsers also hold the redirect that follows a form
// against the policy of the page with the form.
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

// policyOrigin gives scheme and host of a URI, of characters that mean nothing else in a policy. The host
// is empty where policies have no words for it, as for IPv6 addresses and the schemes of programs.
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

// failPage answers a user with an error.
func (x *request) failPage(e *Error, now time.Time) {
	if err := x.show(e.Status, "message", page{
		Title: "Sign-in did not work", Error: e.Text, ErrorCode: fmt.Sprintf("AADSTS%d", e.Number),
		Trace: x.ev.RequestID, Correlation: x.correlation, Time: stamp(now),
	}); err != nil {
		x.ev.Err = fmt.Errorf("%w; %w", x.ev.Err, err)
		http.Error(x.w, "internal error", http.StatusInternalServerError)
	}
}
