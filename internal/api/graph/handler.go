package graph

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/directory"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/throttle"
)

// Rights looks up Azure RBAC rights. Package rbac implements it; Graph cannot grant them.
type Rights interface {
	// MayAssignRoles reports whether one of the principals, which are a principal and its groups, may create
	// role assignments at any scope. Such a principal can give itself every role at that scope.
	MayAssignRoles(tx store.Tx, tenant string, principals []string) (bool, error)
}

// Handler serves Microsoft Graph. All fields must be set; New makes it ready.
type Handler struct {
	Origin    string // scheme and authority of the server, without a trailing slash
	Tokens    bearer.Verifier
	Directory *directory.Directory
	Rights    Rights
	Passwords *throttle.PasswordLimiter // limits password attempts, together with the sign-in page
	Store     store.Store
	Pages     *seal.Pages
	Now       func() time.Time
	NewID     func() string

	table  *table
	bearer bearer.Checker

	users           *schema[directory.User]
	groups          *schema[directory.Group]
	applications    *schema[application]
	principals      *schema[principal]
	appRoles        *schema[appRoleAssignment]
	roles           *schema[directory.DirectoryRole]
	roleDefinitions *schema[directory.DirectoryRole]
	roleAssignments *schema[roleAssignment]
	organizations   *schema[directory.Tenant]
	domains         *schema[domain]

	permissionGrants *schema[directory.PermissionGrant]
	federated        *schema[federatedCredential]
	flexible         *schema[federatedCredential] // the schema of the beta version
}

// New builds the schemas and the operation table.
func New(config Handler) (*Handler, error) {
	h := &config // the operations are bound to it
	h.users, h.groups, h.applications, h.principals = userSchema(), groupSchema(), applicationSchema(), principalSchema(config.Now)
	h.appRoles, h.roles, h.roleDefinitions, h.roleAssignments = appRoleAssignmentSchema(), roleSchema(), roleDefinitionSchema(), roleAssignmentSchema()
	h.organizations, h.domains, h.permissionGrants = organizationSchema(), domainSchema(), permissionGrantSchema()
	h.federated, h.flexible = federatedSchema(), flexibleSchema()
	var err error
	if h.table, err = newTable(h.operations()); err != nil {
		return nil, err
	}
	h.bearer = bearer.Checker{Tokens: h.Tokens, Directory: h.Directory, Audiences: audiences(h.Origin)}
	return h, nil
}

// root and beta begin the paths of the versions that are served. beta has only the operations with
// Operation.Beta.
const (
	root = "/v1.0/"
	beta = "/beta/"
)

// Serves reports whether a path of the server's own origin belongs to Microsoft Graph.
func Serves(path string) bool { return strings.HasPrefix(path, root) || strings.HasPrefix(path, beta) }

// Request is one request, with the path, the caller and the object that the dispatcher has determined.
type Request struct {
	HTTP   *http.Request
	Path   path
	Origin string // Microsoft Graph's origin in URLs for this client
	Caller caller
	Object target // the object that {id} in the path names
	Body   map[string]json.RawMessage
	Client string // the client's address

	event       *httpx.Event
	reauthorize func(tx store.Tx) error // authorizes the request again inside a transaction
}

// waiter identifies the request in the password hashing queue.
func (r *Request) waiter() throttle.Waiter {
	return throttle.Waiter{From: throttle.SourceOf(r.Client)}
}

// Response is the result of an operation. Body is encoded as JSON, Text is sent unchanged.
type Response struct {
	Status int
	Body   any
	Text   string
	Header http.Header
	Err    error // a failure that is logged and not reported to the client
}

func noContentResponse() *Response { return &Response{Status: http.StatusNoContent} }

// Serve answers one request.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "graph"
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
	if err := ev.Injected(r); err != nil {
		return nil, err
	}
	claims, err := h.bearer.Verify(r)
	if err != nil {
		return nil, refuse(origins.Login, err)
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
	if err == nil && op.Method == http.MethodPost && response.Status == http.StatusOK { // an action
		response.Header = http.Header{"Location": {req.Origin}}
	}
	return response, graphError(err, req.Object.name)
}

// route finds the operation of a request.
func (h *Handler) route(req *Request) (op *Operation, err error) {
	if req.HTTP, err = httpx.SkipEmptySegments(req.HTTP, req.event); err != nil {
		return nil, errSegment("")
	}
	if req.Path, err = parsePath(req.HTTP.URL.EscapedPath()); err != nil {
		return nil, err
	}
	return h.table.find(req.HTTP.Method, &req.Path)
}

// readBody reads the JSON object in the body of a POST or a PATCH. Other methods have no body.
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
	if err := json.Unmarshal(data, &body); err != nil || body == nil || !utf8.Valid(data) { // opaque properties are returned as they were received
		return nil, errorf(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	for name := range body {
		if isAnnotation(name) && !strings.HasSuffix(name, bindSuffix) && name != idAnnotation {
			delete(body, name)
		}
	}
	return body, nil
}

// isAnnotation reports whether a name in a body names an OData annotation and not a property.
func isAnnotation(name string) bool { return strings.Contains(name, "@") }

const (
	bindSuffix   = "@odata.bind"
	idAnnotation = "@odata.id"
)

// always lists headers that Graph sends with each response; the other headers depend on the body.
var (
	always    = httpx.Fixed("Cache-Control", "no-cache", "X-Content-Type-Options", "nosniff")
	plainText = httpx.Fixed("Content-Type", "text/plain")
	jsonError = httpx.Fixed("Content-Type", "application/json")
	odataJSON = httpx.Fixed("OData-Version", "4.0",
		"Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
)

func (h *Handler) setHeaders(header http.Header, ev *httpx.Event) {
	always.Set(header)
	httpx.StrictTransport(header, ev)
	header["Request-Id"] = []string{ev.RequestID}
	header["Client-Request-Id"] = []string{clientRequestID(ev)}
}

func clientRequestID(ev *httpx.Event) string {
	if ev.ClientRequestID != "" {
		return ev.ClientRequestID
	}
	return ev.RequestID
}

// answer writes the response of an operation.
func (h *Handler) answer(w http.ResponseWriter, ev *httpx.Event, response *Response) {
	header := w.Header()
	h.setHeaders(header, ev)
	ev.Err = response.Err
	for name, values := range response.Header {
		header[name] = values
	}
	switch {
	case response.Text != "":
		plainText.Set(header)
		w.WriteHeader(response.Status)
		_, _ = io.WriteString(w, response.Text) // an error means that the client has disconnected
	case response.Body == nil:
		w.WriteHeader(response.Status)
	default:
		odataJSON.Set(header)
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

// fail writes an error response. An error of another type than *Error becomes a 500 or 503, and only the log
// names its cause.
func (h *Handler) fail(w http.ResponseWriter, ev *httpx.Event, err error) {
	var visible *Error
	if !errors.As(err, &visible) {
		ev.Err = err
		visible = internalError(err)
	}
	ev.ErrorCode = visible.Code
	header := w.Header()
	h.setHeaders(header, ev)
	jsonError.Set(header)
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

// Refuse answers a request that the server has rejected before Serve.
func (h *Handler) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.API = "graph"
	code, message := httpx.Refusal(status)
	h.fail(w, ev, errorf(status, code, "%s", message))
}
