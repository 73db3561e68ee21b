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
	"strings"

	"midas/internal/api/httpx"
)

//go:embed page
var pageFiles embed.FS

//go:embed page/style.css
var style string

// templates are the pages. They are read once and never change.
var templates = template.Must(template.New("pages").
	Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(style) }, "marked": marked, "plainly": plainly}).
	ParseFS(pageFiles, "page/*.html"))

// styleSource allows exactly our style sheet.
var styleSource = func() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// page is what a page shows.
type page struct {
	Title, Tenant    string
	Error, ErrorCode string // what went wrong with the last try

	App, User, Code string // names are isolated, but in the field of the user's name
	Device          bool
	Action, Request string // of the form
	Reply           []field
	Nonce           string

	Text, Trace, Correlation, Time string

	target string // where the form may lead in the end, besides here
}

// field is one value of a reply that a page carries to the client.
type field struct{ Name, Value string }

// show answers with a page. Nothing in it is loaded from anywhere, no script runs but the one that
// sends a reply on, and no other page may hold it in a frame.
func (h *Handler) show(x *exchange, status int, name string, p page) error {
	script := ""
	if name == "formpost" {
		p.Nonce = rand.Text()
		script = "; script-src 'nonce-" + p.Nonce + "'"
	}
	var body bytes.Buffer
	if err := templates.ExecuteTemplate(&body, name, p); err != nil {
		return fmt.Errorf("make the %s page: %w", name, err)
	}
	head := x.w.Header()
	setAll(head, private)
	setAll(head, unframed)
	head.Set("Content-Security-Policy", "default-src 'none'; style-src "+styleSource+script+
		"; form-action 'self'"+source(p.target)+"; frame-ancestors 'none'; base-uri 'none'")
	head["Content-Type"] = []string{"text/html; charset=utf-8"}
	httpx.WriteBody(x.w, status, body.Bytes())
	return nil
}

// unframed are the headers of pages. The address of a sign-in page tells what the user is about to
// do, so no other site gets it.
var unframed = []header{
	{"Referrer-Policy", []string{"same-origin"}},
	{"X-Frame-Options", []string{"DENY"}},
}

// source is a redirect URI as a policy names it: browsers also hold the redirect that follows a form
// against the policy of the page with the form.
func source(redirect string) string {
	u, err := url.Parse(redirect)
	switch {
	case redirect == "" || err != nil:
		return ""
	case u.Host == "" || strings.Contains(u.Host, "["):
		return " " + u.Scheme + ":" // policies have no words for IPv6 addresses
	}
	return " " + u.Scheme + "://" + u.Host
}

// failPage answers a person with an error.
func (h *Handler) failPage(x *exchange, e *Error) {
	if err := h.show(x, e.Status, "message", page{
		Title: "Sign-in did not work", Error: e.Text, ErrorCode: fmt.Sprintf("AADSTS%d", e.Number),
		Trace: x.ev.RequestID, Correlation: x.correlation, Time: h.stamp(),
	}); err != nil {
		x.ev.Err = fmt.Errorf("%w; %w", x.ev.Err, err)
		http.Error(x.w, "internal error", http.StatusInternalServerError)
	}
}
