// Package home serves the page at /, which tells people what this server is, and the documentation of its version. It
// shows nothing that depends on the content of the store or on who asks.
package home

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"midas/internal/api/httpx"
)

const (
	api    = "home"
	folder = "/docs/" // the path of the documentation
)

//go:embed home.html
var layout string

//go:embed home.css
var style string

var page = template.Must(template.New("home").Parse(layout))

// policy allows the style of the page and nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}()

var headers = httpx.Fixed(
	"Content-Security-Policy", policy,
	"Referrer-Policy", "same-origin",
	"X-Frame-Options", "DENY",
	"X-Content-Type-Options", "nosniff",
	"Cache-Control", "no-cache",
)

// Config is what the page shows.
type Config struct {
	Origin  string // of the server: https://HOST:PORT
	Version string
	Lab     bool  // the administrator's secret is public
	Docs    fs.FS // the pages of the documentation, NAME.md
}

// Handler serves the page and the documentation.
type Handler struct {
	home  []byte
	pages map[string][]byte
}

// entry is one page of the documentation.
type entry struct{ File, Title string }

// New reads the documentation and makes the page.
func New(c Config) (*Handler, error) {
	h := &Handler{pages: map[string][]byte{}}
	names, err := fs.Glob(c.Docs, "*.md")
	if err != nil {
		return nil, fmt.Errorf("list the documentation: %w", err)
	}
	var entries []entry
	for _, name := range names {
		text, err := fs.ReadFile(c.Docs, name)
		if err != nil {
			return nil, fmt.Errorf("read the documentation: %w", err)
		}
		h.pages[folder+name] = text
		entries = append(entries, entry{name, titleOf(text)})
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.Title, b.Title) })
	var body bytes.Buffer
	err = page.Execute(&body, struct {
		Config
		Style template.CSS
		Pages []entry
	}{c, template.CSS(style), entries})
	if err != nil {
		return nil, fmt.Errorf("make the page: %w", err)
	}
	h.home = body.Bytes()
	return h, nil
}

// titleOf returns the first heading of a page.
func titleOf(text []byte) string {
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimLeft(line, "# ")
}

// Serves reports whether a request is for the page or the documentation. Programs that ask for / without naming HTML
// get the answer of Azure Resource Manager.
func (h *Handler) Serves(r *http.Request, path string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return path == "/" && strings.Contains(r.Header.Get("Accept"), "text/html") || h.pages[path] != nil
}

// Serve implements httpx.Handler for the requests of Serves.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API, ev.Operation, ev.Routine = api, "page", true
	headers.Set(w.Header())
	if text, found := h.pages[r.URL.Path]; found {
		ev.Operation = "docs"
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		httpx.WriteBody(w, http.StatusOK, text)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "Accept")
	httpx.WriteBody(w, http.StatusOK, h.home)
}
