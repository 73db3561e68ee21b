package management

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"midas/internal/api/httpx"
	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/token"
)

// Request is a parsed ARM request. When an operation gets it, the caller is authenticated and authorized.
type Request struct {
	HTTP    *http.Request
	Path    arm.Path
	Type    arm.Type // of the path, in the spelling of the operation table if the type is in it
	Version arm.Version
	Query   url.Values // its names are folded
	Caller  rbac.Caller
	Action  string // the RBAC action that the request performs

	event   *httpx.Event
	claims  *token.Claims // of the caller's token
	op      *Operation
	rights  func(store.Tx) error // checks rights that the operation needs besides its own; nil if there are none
	extent  rbac.Extent          // of the caller's right to a Filtered list
	locks   lock.Operation       // what the operation is for locks
	acts    arm.ID               // the scope on which the operation acts, if the path names it otherwise than by its id; else the root
	uses    []arm.ID             // the linked resources that a write uses, such as identities, which locks protect too
	refused bool                 // the activity log has the refusal
	denied  *arm.Error           // the refusal that names the deny assignment, if one has decided
	audited rbac.DenyAssignment  // with the effect Audit, that would have denied the request; zero if none
}

// ID is the resource, or the scope of a collection, that the request addresses.
func (r *Request) ID() arm.ID { return r.Path.ID }

// Decode decodes the body, which must be one JSON object. The content type must be JSON or absent.
func (r *Request) Decode(into any) error {
	body, err := r.readBody()
	if err != nil {
		return err
	}
	return wire.Decode(body, into)
}

// readBody reads the body. The content type must be JSON or absent.
func (r *Request) readBody() ([]byte, error) {
	if given := r.HTTP.Header.Get("Content-Type"); given != "" {
		if mediaType, _, err := mime.ParseMediaType(given); err != nil || mediaType != "application/json" && mediaType != "text/json" {
			return nil, arm.Errorf(http.StatusUnsupportedMediaType, "UnsupportedMediaType",
				"The content media type '%s' is not supported. Only 'application/json' is supported.", given)
		}
	}
	body, err := io.ReadAll(r.HTTP.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, arm.Errorf(http.StatusRequestEntityTooLarge, "RequestContentTooLarge",
			"The request content size exceeds the maximum size of %d bytes.", tooLarge.Limit)
	case err != nil:
		return nil, arm.ErrInvalidContent("The request body could not be read")
	}
	return body, nil
}

// Response is the answer of an operation.
type Response struct {
	Status int
	Body   any // JSON; nil for none
	Header http.Header

	Encoded []byte // JSON that is encoded already, in place of Body
}

func ok(body any) (*Response, error) { return &Response{Status: http.StatusOK, Body: body}, nil }

// written returns the answer to a PUT: 201 with the location of a new resource, 200 for an existing one.
func written(created bool, location string, body any) (*Response, error) {
	if !created {
		return ok(body)
	}
	return &Response{Status: http.StatusCreated, Body: body, Header: http.Header{"Location": {location}}}, nil
}

// deleted returns the answer to a DELETE: 200, or 204 if the resource did not exist.
func deleted(existed bool) (*Response, error) {
	if existed {
		return &Response{Status: http.StatusOK}, nil
	}
	return &Response{Status: http.StatusNoContent}, nil
}

// Page sizes, in entries. A client can set another size than pageSize with $top, up to maxPageSize.
const (
	pageSize    = 100
	maxPageSize = 1000
)

// page is the part of a list that a request asks for.
type page struct {
	after string
	limit int
	list  string // type, scope and filter of the list, to which its $skiptoken is bound
}

// page reads $skiptoken and $top, and waits until the limit on concurrent lists allows one more. The token is
// valid only for the same path and filter.
func (h *Handler) page(r *Request) (page, error) {
	p := page{limit: pageSize, list: r.Path.Type.Key() + "\x00" + r.ID().Key() + "\x00" + r.Query.Get("$filter")}
	if top := r.Query.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return page{}, arm.Errorf(http.StatusBadRequest, "InvalidTopParameter", "The value '%s' of $top is not a positive number.", top)
		}
		p.limit = min(n, maxPageSize)
	}
	after, err := h.Pages.Open(p.list, r.Query.Get("$skiptoken"))
	if err != nil {
		return page{}, arm.Errorf(http.StatusBadRequest, "InvalidSkipToken", "The $skiptoken is not valid for this request.")
	}
	p.after = after
	return p, r.event.MakeList(r.HTTP.Context())
}

// origin returns the origin of ARM under the host name that the client has used.
func (h *Handler) origin(r *Request) string {
	return azure.OriginsFor(r.HTTP.Host, h.Origin).Management
}

// nextLink returns the request's URL with a $skiptoken for the next page; empty if there is none.
func (h *Handler) nextLink(r *Request, p page, next string) string {
	if next == "" {
		return ""
	}
	query := maps.Clone(r.Query)
	query.Del("$skip") // the token continues behind the entries that were skipped
	query.Set("$skiptoken", h.Pages.Seal(p.list, next))
	return h.origin(r) + r.HTTP.URL.EscapedPath() + "?" + query.Encode()
}
