package httpx

import "net/http"

// The headers of answers to pages of other sites (CORS). Any site may use the APIs that CrossOrigin serves,
// because they take bearer tokens and no cookies: a page can do nothing that its token does not allow. For the
// same reason there is no Access-Control-Allow-Credentials. Authorization is named, because * does not stand
// for it.
var (
	allOrigins = Fixed("Access-Control-Allow-Origin", "*")
	exposed    = Fixed("Access-Control-Expose-Headers",
		"Azure-AsyncOperation, Client-Request-Id, Date, ETag, Location, OData-Version, Request-Id, Retry-After, Server, "+
			"WWW-Authenticate, x-ms-client-request-id, x-ms-correlation-request-id, x-ms-failure-cause, x-ms-request-id, x-ms-routing-request-id")
	preflight = Fixed("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
		"Access-Control-Allow-Headers", "Authorization, *",
		"Access-Control-Max-Age", "3600")
)

// CrossOrigin serves an API also to pages of other sites. It answers their preflight requests, which have no
// token, and lets them read the answers of Next.
type CrossOrigin struct {
	API  string // for the event of a preflight request
	Next Handler
}

// Serve implements Handler.
func (c *CrossOrigin) Serve(w http.ResponseWriter, r *http.Request, ev *Event) {
	if r.Header.Get("Origin") == "" {
		c.Next.Serve(w, r, ev)
		return
	}
	allOrigins.Set(w.Header())
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		exposed.Set(w.Header())
		c.Next.Serve(w, r, ev)
		return
	}
	ev.API, ev.Operation, ev.Routine = c.API, "preflight", true
	StrictTransport(w.Header(), ev)
	preflight.Set(w.Header())
	w.WriteHeader(http.StatusOK)
}

// Refuse implements Refuser.
func (c *CrossOrigin) Refuse(w http.ResponseWriter, r *http.Request, ev *Event, status int) {
	if r.Header.Get("Origin") != "" {
		allOrigins.Set(w.Header())
	}
	if next, ok := c.Next.(Refuser); ok {
		next.Refuse(w, r, ev, status)
		return
	}
	Refuse(w, ev, status)
}
