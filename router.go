package midas

import (
	"net/http"
	"net/netip"

	"midas/internal/api/checkaccess"
	"midas/internal/api/graph"
	"midas/internal/api/home"
	"midas/internal/api/hosts"
	"midas/internal/api/httpx"
	"midas/internal/api/login"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/cluster"
	"midas/internal/lab"
	"midas/internal/ops"
	"midas/internal/store"
)

// router sends each request of the main listener to the API that serves it: by the host name of the request
// if it is one of Azure's, else by the path.
//
// A host name that is neither Azure's nor the server's own is refused. This prevents DNS rebinding: a page
// of another site could otherwise resolve its own name to this server and read the answers.
type router struct {
	names      map[string]bool // of the server itself, besides addresses
	health     *ops.Health
	home       *home.Handler
	login      *login.Handler
	management httpx.Handler
	graph      httpx.Handler
	decisions  *checkaccess.Handler
	hosts      *hosts.Handler
	cluster    httpx.Handler // nil without an embedded cluster
	lab        httpx.Handler // nil without Config.Lab
	shared     bool          // other processes write the store, too
}

// nameSet is the set of host names that requests may have, besides Azure's and IP addresses.
func nameSet(names []string) map[string]bool {
	set := map[string]bool{"localhost": true}
	for _, n := range names {
		set[azure.Name(n)] = true
	}
	return set
}

// Serve implements httpx.Handler.
func (f *router) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	h, r := f.route(r, ev)
	if f.shared {
		r = r.WithContext(store.Request(r.Context()))
	}
	h.Serve(w, r, ev)
}

// Refuse implements httpx.Refuser. The API that would have served the request writes the refusal in its
// own error format.
func (f *router) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	h, r := f.route(r, ev)
	if h, ok := h.(httpx.Refuser); ok {
		h.Refuse(w, r, ev, status)
		return
	}
	httpx.Refuse(w, ev, status)
}

// route returns the API for a request, and the request without the empty segments of its path. A path that an API
// must refuse for its empty segments is routed as if it had none, so that this API refuses it in its own format.
func (f *router) route(r *http.Request, ev *httpx.Event) (httpx.Handler, *http.Request) {
	r, err := httpx.SkipEmptySegments(r, ev)
	path := r.URL.Path
	if err != nil {
		path, _ = arm.SkipEmptySegments(path)
	}
	return f.handler(r, path), r
}

func (f *router) handler(r *http.Request, path string) httpx.Handler {
	switch azure.APIOf(r.Host) {
	case azure.Management:
		return f.management
	case azure.Login:
		return f.login
	case azure.Graph:
		if f.login.Serves(path) { // the userinfo endpoint of OpenID Connect
			return f.login
		}
		return f.graph
	case azure.Authorization:
		return f.decisions
	}
	switch {
	case f.health.Serves(path): // probes use any host name, and health holds no secrets
		return f.health
	case !f.own(r.Host):
		return httpx.HandlerFunc(misdirected)
	case f.home.Serves(r, path):
		return f.home
	case hosts.Serves(path):
		return f.hosts
	case f.cluster != nil && cluster.Serves(path):
		return f.cluster
	case f.lab != nil && lab.Serves(path):
		return f.lab
	case f.login.Serves(path):
		return f.login
	case graph.Serves(path):
		return f.graph
	case checkaccess.Serves(path):
		return f.decisions
	}
	return f.management
}

// own reports whether a host is this server. Every IP address is accepted: under DNS rebinding a browser
// sends the name of the foreign site, never an address.
func (f *router) own(host string) bool {
	name := azure.Name(host)
	if f.names[name] {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// misdirected refuses a host name that belongs to no API.
func misdirected(w http.ResponseWriter, _ *http.Request, ev *httpx.Event) {
	ev.API, ev.Operation, ev.ErrorCode = "router", "misdirected", "MisdirectedRequest"
	var body struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	body.Error.Code = ev.ErrorCode
	body.Error.Message = "This server does not answer under the host name of the request. Its own names are set by 'names' and 'origin' in its configuration."
	ev.Err = httpx.WriteJSON(w, http.StatusMisdirectedRequest, body)
}
