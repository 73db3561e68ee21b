package login

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"midas/internal/directory"
)

// maxRedirect is the longest redirect URI, in bytes.
const maxRedirect = 2048

// redirect is a registered redirect URI with its kind of client.
type redirect struct {
	uri    string
	page   bool // a single-page application
	public bool // a program on a user's machine
}

// findRedirect finds a redirect URI among the registered ones. It must match exactly, except that programs
// on a user's machine, which listen on any free port, may use any port of a registered loopback address
// (RFC 8252, 7.3). If the request has none and exactly one is registered, that one is used.
func findRedirect(r directory.Redirects, asked string) (redirect, bool) {
	if asked == "" {
		all := slices.Concat(r.Web, r.SPA, r.Public)
		if len(all) != 1 {
			return redirect{}, false
		}
		asked = all[0]
	}
	if len(asked) > maxRedirect || !directory.SafeRedirect(asked) {
		return redirect{}, false
	}
	switch {
	case slices.Contains(r.Web, asked):
		return redirect{uri: asked}, true
	case slices.Contains(r.SPA, asked):
		return redirect{uri: asked, page: true}, true
	case slices.Contains(r.Public, asked),
		slices.ContainsFunc(r.Public, func(registered string) bool { return sameLoopback(registered, asked) }):
		return redirect{uri: asked, public: true}, true
	}
	return redirect{}, false
}

// sameLoopback reports whether two URIs have the same loopback address, ignoring the port.
func sameLoopback(registered, asked string) bool {
	r, err := url.Parse(registered)
	if err != nil {
		return false
	}
	a, err := url.Parse(asked)
	if err != nil || r.Scheme != "http" || a.Scheme != "http" || a.User != nil {
		return false
	}
	switch r.Hostname() {
	case "localhost", "127.0.0.1", "::1":
	default:
		return false
	}
	if port := a.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	path := func(u *url.URL) string { return strings.TrimSuffix(u.EscapedPath(), "/") }
	root := path(r) == "" && path(a) == ""
	return r.Hostname() == a.Hostname() && (root || r.EscapedPath() == a.EscapedPath()) && r.RawQuery == a.RawQuery
}

// reply sends an authorization response to the client, through the browser.
func (h *signIn) reply(x *request, a *authorization, values ...field) error {
	if a.State != "" {
		values = append(values, field{"state", a.State})
	}
	if a.Mode == "form_post" {
		return x.show(http.StatusOK, "formpost", page{
			Title: "Back to " + a.app(), App: a.app(), Action: a.RedirectURI, Reply: values, framer: a.framer(),
		})
	}
	var query strings.Builder
	for i, v := range values {
		if i > 0 {
			query.WriteByte('&')
		}
		query.WriteString(url.QueryEscape(v.Name) + "=" + url.QueryEscape(v.Value))
	}
	sep := "?"
	switch {
	case a.Mode == "fragment":
		sep = "#"
	case strings.Contains(a.RedirectURI, "?"):
		sep = "&"
	}
	return h.leave(x, exit{to: a.RedirectURI + sep + query.String(), app: a.app(), framer: a.framer()})
}

// replyError sends an error to the client, through the browser.
func (h *signIn) replyError(x *request, a *authorization, e *Error) error {
	x.ev.Err, x.ev.ErrorCode = e, "AADSTS"+strconv.Itoa(e.Number)
	values := []field{
		{"error", e.Code},
		{"error_description", x.describe(e, h.Now())},
		{"error_uri", "https://login.microsoftonline.com/error?code=" + strconv.Itoa(e.Number)},
	}
	if e.Suberror != "" {
		values = append(values, field{"suberror", e.Suberror})
	}
	return h.reply(x, a, values...)
}
