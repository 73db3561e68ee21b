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

// Source has the data that an Endpoint serves. It is safe for concurrent use. Errors other than those of
// package host are answered with 500, and host.ErrAway with 503.
type Source interface {
	// Recall returns the cached answer without waiting. If known is true, Token would return the same.
	// Otherwise Token asks the server. A t that is not nil is then a cached token that Token returns if
	// the server does not answer soon.
	Recall(selector host.Selector, audience string) (t *host.Token, known bool, err error)
	// Token returns a token for one of the resource's identities, with the audience exactly as given.
	// The token is shared and must not be changed.
	Token(ctx context.Context, selector host.Selector, audience string) (*host.Token, error)
	// Principals returns the identities of the resource.
	Principals(ctx context.Context) ([]host.Principal, error)
	// Instance returns the resource's description.
	Instance(ctx context.Context) (host.Instance, error)
	// Attest returns a document about the resource, with the nonce, as PKCS #7 SignedData.
	Attest(ctx context.Context, nonce string) ([]byte, error)
}

// Config configures an Endpoint of any protocol. Source, Now and NewID are required.
type Config struct {
	Source Source
	// Hosts are the host names under which programs reach the endpoint, besides localhost and the
	// addresses of this machine. Requests for other names are refused.
	Hosts []string
	Limit Limit
	Now   func() time.Time
	NewID func() string // a GUID
	// Interfaces returns the host's network interfaces. They are used if the resource has none. Nil
	// returns none.
	Interfaces func() []Interface
}

// Endpoint serves one protocol. It implements httpx.Handler.
type Endpoint struct {
	Config
	names    map[string]bool
	limiter  limiter
	protocol protocol
}

// protocol is the part of an Endpoint that differs between protocols.
type protocol interface {
	// serve answers the request, or returns the reason for a refusal.
	serve(req *request) error
	// errorBody returns the body of a refusal.
	errorBody(req *request, f *fault) any
}

// errorWriter is a protocol whose refusals are not JSON.
type errorWriter interface {
	writeError(req *request, f *fault)
}

func newEndpoint(c Config, p protocol) *Endpoint {
	e := &Endpoint{Config: c, protocol: p, names: map[string]bool{"localhost": true}, limiter: limiter{Limit: c.Limit}}
	for _, name := range c.Hosts {
		e.names[arm.Fold(strings.TrimSuffix(name, "."))] = true
	}
	return e
}

// request is a request while it is served.
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

// Refuse implements httpx.Refuser: it writes the refusal in the form of the protocol.
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
	if p, ok := req.protocol.(errorWriter); ok {
		p.writeError(req, f)
		return
	}
	if err := httpx.WriteJSON(w, f.status, req.protocol.errorBody(req, f)); err != nil {
		ev.Err = err
	}
}

// admit refuses requests for another host, and requests that a proxy has passed on.
func (req *request) admit() error {
	if err := req.ev.Injected(req.r); err != nil {
		return err
	}
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

// namesThisHost reports whether the request's host is the metadata address, a loopback address, the address to
// which the connection was made, or one of the configured names.
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

// metadataAddress is the address of the metadata service on every Azure machine.
func metadataAddress() netip.Addr { return netip.AddrFrom4([4]byte{169, 254, 169, 254}) }

// method refuses all methods but one.
func (req *request) method(only string) error {
	if req.r.Method == only {
		return nil
	}
	return errMethod(only)
}

// requireMetadataHeader refuses requests without the header "Metadata: true". A form in a browser cannot send
// it.
func (req *request) requireMetadataHeader() error {
	values := req.r.Header["Metadata"]
	if len(values) != 1 || !arm.SameName(strings.TrimSpace(values[0]), "true") {
		return errMetadataHeader()
	}
	return nil
}

// pathIs reports whether the request has the path, with or without a slash at its end.
func (req *request) pathIs(path string) bool {
	return strings.TrimSuffix(req.r.URL.Path, "/") == path
}

// asFault maps an error to a refusal. Unexpected errors become a 500 whose cause is only logged.
func asFault(err error) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case httpx.AsFault(err) != nil:
		return errInjected(httpx.AsFault(err))
	case errors.Is(err, host.ErrSeveral):
		return errSeveral()
	case errors.Is(err, host.ErrNotAssigned), errors.Is(err, host.ErrNone), errors.Is(err, host.ErrRevoked):
		return errIdentity(err)
	case errors.Is(err, host.ErrAudience):
		return errAudience()
	case errors.Is(err, host.ErrResourceDisabled), errors.Is(err, host.ErrNotAllowed):
		return errRefusedByResource(err)
	case errors.Is(err, host.ErrAway):
		return errAway(err)
	}
	return errInternal(err)
}
