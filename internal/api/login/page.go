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

	"midas/internal/api/httpx"
	"midas/internal/directory"
)

//go:embed page
var pageFiles embed.FS

//go:embed page/style.css
var style string

//go:embed page/key.js
var keyScript string

//go:embed page/next.js
var nextScript string

// templates are the parsed pages.
var templates = template.Must(template.New("pages").
	Funcs(template.FuncMap{
		"style": func() template.CSS { return template.CSS(style) }, "keyScript": func() template.JS { return template.JS(keyScript) },
		"nextScript": func() template.JS { return template.JS(nextScript) },
		"marked":     marked, "plainly": plainly,
	}).
	ParseFS(pageFiles, "page/*.html"))

// Policy sources that allow exactly the embedded style sheet and scripts.
var styleSource, keySource, nextSource = hashSource(style), hashSource(keyScript), hashSource(nextScript)

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

	Accounts    []choice
	AccountPage bool           // the page is for the accounts of the browser, and for no application
	SignOut     string         // the address where all accounts can be signed out
	Leaving     bool           // the key is for a sign-out
	Frames      []template.URL // by which applications are told of a sign-out

	Text, Trace, Correlation, Time string

	Next     template.URL // where the page leads by itself
	Home     template.URL // where a page at an end leads
	HomeText string

	Framed bool // a page of the client shows this one in a frame

	framer string // the origin whose pages may show this one in a frame
}

// field is one parameter of an authorization response.
type field struct{ Name, Value string }

// show answers with a page. Its policy allows no resources of other origins, no script except the ones
// below, forms to this server only, and no framing. Only the pages by which a silent request goes on may be
// framed by the client, because they have nothing to click on.
//
// The page that posts a reply to the client has no fields to fill in, and its policy has no form-action:
// the client may redirect the reply to any other site, and browsers hold that against the policy too.
// Likewise an application may redirect the frame by which it is told of a sign-out.
func (x *request) show(status int, name string, p page) error {
	policy := "; form-action 'self'"
	switch name {
	case "formpost":
		p.Nonce = rand.Text()
		policy = "; script-src 'nonce-" + p.Nonce + "'"
	case "signin", "resume":
		policy += "; script-src " + keySource
	case "signedout":
		policy += "; script-src " + nextSource + "; frame-src https: http:"
	}
	switch name {
	case "resume", "leave", "formpost":
		p.Framed = p.framer != ""
	}
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
	head.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleSource+policy+
		"; frame-ancestors "+framer+"; base-uri 'none'")
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
func (h *Handler) failPage(x *request, e *Error) {
	if err := x.show(e.Status, "message", page{
		Title: "Sign-in did not work", Error: e.Text, ErrorCode: fmt.Sprintf("AADSTS%d", e.Number),
		Trace: x.ev.RequestID, Correlation: x.correlation, Time: stamp(h.config.Now()), Home: h.signIn.home(x), HomeText: "Your accounts",
	}); err != nil {
		x.ev.Err = fmt.Errorf("%w; %w", x.ev.Err, err)
		http.Error(x.w, "internal error", http.StatusInternalServerError)
	}
}
