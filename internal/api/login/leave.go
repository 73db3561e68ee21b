package login

import (
	"html/template"
	"net/http"
)

// exit is where a browser goes when it leaves the pages of this server.
type exit struct {
	to     string // a registered address with the answer
	app    string // whose address it is, for the page
	framer string // the origin whose pages may hold the page in a frame; empty: none
}

// leave sends the browser to another site.
//
// Browsers hold all redirects that follow a form against the form-action policy of the page with the form,
// also those that the other site makes. The answer to a form is therefore a page that leads on, because
// what follows a page is not restricted; the pages with forms can then allow this server alone.
func (h *signIn) leave(x *request, out exit) error {
	if !x.browses() || x.r.Method != http.MethodPost && !x.followsForm {
		x.redirect(out.to)
		return nil
	}
	x.w.Header().Set("Refresh", "0;url="+out.to)
	return x.show(http.StatusOK, "leave", page{
		Title: "Back to " + out.app, App: out.app, framer: out.framer,
		Next: template.URL(out.to), // findRedirect has checked the scheme
	})
}
