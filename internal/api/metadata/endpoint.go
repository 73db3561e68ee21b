package metadata

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/host"
)

// Source is where an Endpoint gets what it serves. It is safe for concurrent use. Its errors are
// those of package host, or else mean that something is broken.
type Source interface {
	// Recall gives what memory has, without waiting. If known, that is what Token would answer.
	// Otherwise Token has to ask the server; if t is not nil nevertheless, Token answers with it
	// unless the server is faster.
	Recall(selector host.Selector, audience string) (t *host.Token, known bool, err error)
	// Token gives a token for one of the resource's identities, with an audience exactly as given.
	// The token is shared and must not be changed.
	Token(ctx context.Context, selector host.Selector, audience string) (*host.Token, error)
	// Instance describes the resource.
	Instance(ctx context.Context) (host.Instance, error)
	// Attest gives a document about the resource as PKCS #7 SignedData, with a nonce in it.
	Attest(ctx context.Context, nonce string) ([]byte, error)
}

// Config is what all protocols need. Source, Now and NewID are required.
type Config struct {
	Source Source
	// Hosts are names under which programs reach the endpoint, besides localhost and the addresses
	// of this machine. A name that is not here is refused.
	Hosts []string
	Limit Limit
	Now   func() time.Time
	NewID func() string // a GUID
	// Interfaces are the host's network interfaces, shown where the resource names none of its own;
	// nil shows none.
	Interfaces func() []Interface
}

// Endpoint serves one protocol. It implements httpx.Handler.
type Endpoint struct {
	Config
	names    map[string]bool
	limiter  limiter
	protocol protocol
}

// protocol is what the endpoints differ in.
type protocol interface {
	// serve answers the request, or says why not.
	serve(req *request) error
	// word gives a refusal's body.
	errorBody(req *request, f *fault) any
}

func newEndpoint(c Config, p protocol) *Endpoint {
	e := &Endpoint{Config: c, protocol: p, names: map[string]bool{"localhost": true}, limiter: limiter{Limit: c.Limit}}
	for _, name := range c.Hosts {
		e.names[arm.Fold(strings.TrimSuffix(name, "."))] = true
	}
	return e
}

// request is one request and its answer.
type request struct {
	*Endpoint
	w  http.ResponseWriter
	r  *http.Request
	ev *httpx.Event
}

// Serve implements httpx.Handler.
func (e *Endpoint) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API, ev.Routine = "metadata", true
	req := &request{Endpoint: e, w: w, r: r, ev: ev}
	err := e.protocol.serve(req)
	if err == nil {
		return
	}
	req.refuse(asFault(err))
}

// Refuse implements httpx.Refuser: the protocol words what was refused around it.
func (e *Endpoint) Refuse(w http.ResponseWriter, r *http.Request, ev *httpx.Event, status int) {
	ev.API = "metadata"
	f := badRequest("")
	if _, f.text = httpx.Refusal(status); status == http.StatusTooManyRequests {
		f.code = errLimit().code
	}
	f.status = status
	req := &request{Endpoint: e, w: w, r: r, ev: ev}
	req.refuse(f)
}

func (req *request) refuse(f *fault) {
	w, ev := req.w, req.ev
	ev.ErrorCode, ev.Err = f.code, f.cause
	for name, values := range f.header {
		w.Header()[name] = values
	}
	if err := httpx.WriteJSON(w, f.status, req.protocol.errorBody(req, f)); err != nil {
		ev.Err = err
	}
}

// admit refuses what cannot have been meant for this endpoint.
func (req *request) admit() error {
	if !req.namesThisHost() {
		return errHost()
	}
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		if _, passed := req.r.Header[header]; passed {
			return errForwarded()
		}
	}
	return nil
}

// own tells whether the request names this machine as its host: by the metadata address, a loopback
// address, the very address that the connection was made to, or one of the known names.
func (req *request) namesThisHost() bool {
	name := req.r.Host
	if h, _, err := net.SplitHostPort(name); err == nil {
		name = h
	}
	name = strings.TrimSuffix(arm.Fold(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")), ".")
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return req.names[name]
	}
	if ip = ip.Unmap(); ip.IsLoopback() || ip == metadataAddress() || req.names[name] {
		return true
	}
	local, ok := req.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	at, err := netip.ParseAddrPort(local.String())
	return err == nil && at.Addr().Unmap() == ip
}

// metadataAddress is where every Azure machine finds its metadata service.
func metadataAddress() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// method refuses all methods but one.
func (req *request) method(only string) error {
	if req.r.Method == only {
		return nil
	}
	return errMethod(only)
}

// requireMetadataHeader asks for the header "Metadata: true", which a form in a browser cannot send.
func (req *request) requireMetadataHeader() error {
	values := req.r.Header["Metadata"]
	if len(values) != 1 || !arm.SameName(strings.TrimSpace(values[0]), "true") {
		return errMetadataHeader()
	}
	return nil
}

// at tells whether the request is for a path, with or without a slash at its end.
func (req *request) pathIs(path string) bool {
	return strings.TrimSuffix(req.r.URL.Path, "/") == path
}

// asFault gives every error its place among the refusals.
func asFault(err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, host.ErrSeveral):
		return errSeveral()
	case errors.Is(err, host.ErrNotAssigned), errors.Is(err, host.ErrNone), errors.Is(err, host.ErrRevoked):
		return errIdentity(err)
	case errors.Is(err, host.ErrAudience):
		return errAudience()
	case errors.Is(err, host.ErrResourceDisabled), errors.Is(err, host.ErrNotAllowed):
		return errRefusedByResource(err)
	}
	return errInternal(err)
}
