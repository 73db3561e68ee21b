package graph

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/throttle"
	"midas/internal/token"
)

// Verifier checks bearer tokens.
type Verifier interface {
	Verify(ctx context.Context, raw string) (*token.Claims, error)
}

// Rights tells of rights over Azure's resources, which are not Graph's to give.
type Rights interface {
	// MayGrantRoles tells whether one of the principals, which are somebody and its groups, may give
	// role assignments at any scope, and so become anybody there.
	MayGrantRoles(tx store.Tx, tenant string, principals []string) (bool, error)
}

// Handler serves Microsoft Graph. All fields must be set; New makes it ready.
type Handler struct {
	Origin    string // scheme and authority of the server, without a trailing slash
	Tokens    Verifier
	Directory *directory.Directory
	Rights    Rights
	Passwords *throttle.Passwords // bounds how often one's own password may be guessed, here and at the sign-in
	Store     store.Store
	Pages     *arm.Pages
	Now       func() time.Time
	NewID     func() string

	table     *table
	audiences map[string]bool

	users         *schema[directory.User]
	groups        *schema[directory.Group]
	applications  *schema[directory.Application]
	principals    *schema[principal]
	appRoles      *schema[grant]
	roles         *schema[directory.DirectoryRole]
	definitions   *schema[directory.DirectoryRole]
	holders       *schema[holder]
	organizations *schema[directory.Tenant]
	domains       *schema[domain]

	permissionGrants *schema[directory.PermissionGrant]
}

// New builds the schemas and the operation table.
func New(config Handler) (*Handler, error) {
	h := &config // the operations are bound to it
	h.users, h.groups, h.applications, h.principals = userSchema(), groupSchema(), applicationSchema(), principalSchema()
	h.appRoles, h.roles, h.definitions, h.holders = grantSchema(), roleSchema(), definitionSchema(), holderSchema()
	h.organizations, h.domains, h.permissionGrants = organizationSchema(), domainSchema(), permissionGrantSchema()
	var err error
	if h.table, err = newTable(h.operations()); err != nil {
		return nil, err
	}
	h.audiences = audiences(h.Origin)
	return h, nil
}

// root is where the version that is served begins.
const root = "/v1.0/"

// Serves says whether a path of the server's own origin belongs to this face.
func Serves(path string) bool { return strings.HasPrefix(path, root) }

// Request is one request with what the dispatcher has found out about it.
type Request struct {
	HTTP   *http.Request
	Path   path
	Origin string // where the client finds this face
	Caller caller
	Object target // what {id} in the path stands for
	Body   map[string]json.RawMessage
	Client string // the client's address

	event *httpx.Event
	again func(tx store.Tx) error // decides again whether the caller may do it
}

// waiter is the request in the queue of those who hash passwords.
func (r *Request) waiter() throttle.Waiter {
	return throttle.Waiter{From: throttle.SourceOf(r.Client)}
}

// Response is what an operation returns. Body is encoded as JSON, Text is sent as it is.
type Response struct {
	Status int
	Body   any
	Text   string
	Header http.Header
	Err    error // what went wrong without concerning the client; it is only logged
}

func noContent() *Response { return &Response{Status: http.StatusNoContent} }

// Serve answers one request. The order of the steps is the security of this face.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.Face = "graph"
	response, err := h.serve(r, ev)
	if err != nil {
		h.fail(w, ev, err)
		return
	}
	h.answer(w, ev, response)
}

func (h *Handler) serve(r *http.Request, ev *httpx.Event) (*Response, error) {
	ctx := r.Context()
	origins := azure.OriginsFor(r.Host, h.Origin)
	req := &Request{HTTP: r, Origin: origins.Graph, Client: ev.ClientIP, event: ev}
	op, routing := h.route(req)
	if op != nil {
		ev.Operation = op.label()
	}
	claims, err := h.authenticate(ctx, r, origins.Login)
	if err != nil {
		return nil, err
	}
	ev.Caller = claims.ObjectID
	if err := h.admit(ctx, req, op, claims, origins.Login); err != nil {
		return nil, err
	}
	if routing != nil {
		return nil, routing
	}
	if req.Body, err = readBody(r); err != nil {
		return nil, err
	}
	response, err := op.Serve(ctx, req)
	return response, explain(err, req.Object.name)
}

// route finds what a request means. The operation is returned with an error too, once found.
func (h *Handler) route(req *Request) (op *Operation, err error) {
	if req.Path, err = parsePath(req.HTTP.URL.EscapedPath()); err != nil {
		return nil, err
	}
	return h.table.find(req.HTTP.Method, &req.Path)
}

// readBody reads the JSON object that comes with a POST or a PATCH; other methods have none.
func readBody(r *http.Request) (map[string]json.RawMessage, error) {
	if r.Method != http.MethodPost && r.Method != http.MethodPatch {
		return nil, nil
	}
	data, err := io.ReadAll(r.Body)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, errorf(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", tooLong.Limit)
	case err != nil:
		return nil, errBadRequest("The request body could not be read.")
	case strings.TrimSpace(string(data)) == "":
		return map[string]json.RawMessage{}, nil
	}
	if arm.TooDeep(data) {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "The request body is nested more than %d levels deep.", arm.MaxDepth)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(data, &body); err != nil || body == nil || !utf8.Valid(data) { // what is kept is given back as it is
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	for name := range body {
		if isAnnotation(name) && !strings.HasSuffix(name, bindSuffix) && name != idAnnotation {
			delete(body, name)
		}
	}
	return body, nil
}

// isAnnotation tells OData's remarks about an object from its properties.
func isAnnotation(name string) bool { return strings.Contains(name, "@") }

const (
	bindSuffix   = "@odata.bind"
	idAnnotation = "@odata.id"
)

// The headers that Graph sends with each answer. The slices are shared; net/http only reads them.
var (
	noCache      = []string{"no-cache"}
	noSniff      = []string{"nosniff"}
	odataVersion = []string{"4.0"}
	contentType  = []string{"application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"}
	contentError = []string{"application/json"}
	plainText    = []string{"text/plain"}
)

func (h *Handler) head(header http.Header, ev *httpx.Event) {
	header["Cache-Control"] = noCache
	httpx.StrictTransport(header, ev)
	header["X-Content-Type-Options"] = noSniff
	header["Request-Id"] = []string{ev.RequestID}
	header["Client-Request-Id"] = []string{clientRequestID(ev)}
}

func clientRequestID(ev *httpx.Event) string {
	if ev.ClientRequestID != "" {
		return ev.ClientRequestID
	}
	return ev.RequestID
}

// answer writes what an operation has returned.
func (h *Handler) answer(w http.ResponseWriter, ev *httpx.Event, response *Response) {
	header := w.Header()
	h.head(header, ev)
	ev.Err = response.Err
	for name, values := range response.Header {
		header[name] = values
	}
	switch {
	case response.Text != "":
		header["Content-Type"] = plainText
		w.WriteHeader(response.Status)
		_, _ = io.WriteString(w, response.Text) // when it fails, the client is gone
	case response.Body == nil:
		w.WriteHeader(response.Status)
	default:
		header["Odata-Version"], header["Content-Type"] = odataVersion, contentType
		if err := httpx.WriteJSON(w, response.Status, response.Body); err != nil {
			h.fail(w, ev, err)
		}
	}
}

type errorBody struct {
	Error struct {
		Code       string     `json:"code"`
		Message    string     `json:"message"`
		InnerError innerError `json:"innerError"`
	} `json:"error"`
}

type innerError struct {
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id"`
}

// fail turns an error into an answer: an *Error as it says, everything else into a fault of ours
// whose cause is only in the log.
func (h *Handler) fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	var visible *Error
	if !errors.As(err, &visible) {
		ev.Err = err
		visible = internal(err)
	}
	ev.ErrorCode = visible.Code
	header := w.Header()
	h.head(header, ev)
	header["Content-Type"] = contentError
	for name, values := range visible.Header {
		header[name] = values
	}
	var body errorBody
	body.Error.Code, body.Error.Message = visible.Code, visible.Message
	body.Error.InnerError = innerError{h.Now().UTC().Format("2006-01-02T15:04:05"), ev.RequestID, clientRequestID(ev)}
	if err := httpx.WriteJSON(w, visible.Status, body); err != nil {
		ev.Err = errors.Join(ev.Err, err)
	}
}

// Refuse words what never reaches Serve.
func (h *Handler) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.Face = "graph"
	code, message := httpx.Refusal(status)
	h.fail(w, ev, errorf(status, code, "%s", message))
}
