package checkaccess

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/decision"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
)

// Path is the path of the one operation. Its case does not matter, as in all paths of Azure.
const Path = "/providers/Microsoft.Authorization/checkAccess"

// version is the one api-version.
const version arm.Version = "2021-06-01-preview"

// Serves reports whether a path of the server's own origin belongs to this API. Azure Resource Manager has checkAccess
// below a subscription or a management group only, so the paths are never the same.
func Serves(path string) bool {
	return (len(path) == len(Path) || len(path) == len(Path)+1 && path[len(Path)] == '/') && arm.SameName(path[:len(Path)], Path)
}

// Subscriptions finds the records of subscriptions, which name their tenants. It is a *resource.Service.
type Subscriptions interface {
	// Subscription returns the record of the subscription that contains an id, or an *arm.Error if there is none.
	Subscription(tx store.Tx, id arm.ID) (resource.Record, error)
}

// Handler serves checkAccess. All exported fields must be set; New sets the others.
type Handler struct {
	Origin        string // scheme and authority of the server, without a trailing slash
	Tokens        bearer.Verifier
	Directory     *directory.Directory
	Subscriptions Subscriptions
	Decider       *decision.Decider
	Store         store.Store
	Pages         *seal.Pages

	bearer bearer.Checker
}

// New makes a Handler ready.
func New(h Handler) *Handler {
	h.bearer = bearer.Checker{Tokens: h.Tokens, Directory: h.Directory, Audiences: audiences(), Groups: true}
	return &h
}

// audiences are those of tokens for this API. Tokens for Azure Resource Manager are not accepted, as in Azure.
func audiences() map[string]bool {
	set := map[string]bool{directory.AuthorizationAppID: true}
	for _, name := range directory.ResourceNames(directory.AuthorizationAppID) {
		set[name] = true
	}
	return set
}

// operation is the name of the operation in metrics and logs.
const operation = "Microsoft.Authorization/checkAccess/action"

// Serve answers one request.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API, ev.Routine = "checkaccess", true
	body, err := h.serve(r, ev)
	if err != nil {
		h.fail(w, ev, err)
		return
	}
	setHeaders(w.Header(), ev)
	httpx.WriteBody(w, http.StatusOK, body)
}

func (h *Handler) serve(r *http.Request, ev *httpx.Event) ([]byte, error) {
	query, err := h.route(r, ev)
	if err != nil {
		return nil, err
	}
	claims, err := h.bearer.Verify(r)
	if err != nil {
		return nil, h.refuse(r, err)
	}
	page := continuation{handler: h, request: r, list: Path + "\x00" + claims.TenantID + "\x00" + claims.ObjectID}
	question, err := page.question(query)
	if err != nil {
		return nil, err
	}
	var decisions []decision.Decision
	err = h.Store.Recent(r.Context(), func(tx store.Tx) error {
		subject, err := h.bearer.Subject(tx, claims)
		if err != nil {
			return h.refuse(r, err)
		}
		ev.Caller = subject.ObjectID
		caller := rbac.Caller{TenantID: subject.TenantID, ObjectID: subject.ObjectID, AppID: claims.AppID, Groups: subject.Groups}
		if err := h.admit(tx, caller, question.Resource); err != nil {
			return err
		}
		if decisions, err = h.Decider.Decide(tx, caller.TenantID, question); err == nil && !allAllowed(decisions) {
			err = errNotAllowed
		}
		return err
	})
	if err != nil && !errors.Is(err, errNotAllowed) {
		return nil, err
	}
	return page.encode(question, decisions)
}

// errNotAllowed ends a Recent that has decided that something is not allowed, so that it is decided again with the
// assignments of all replicas.
var errNotAllowed = errors.New("a decision does not allow its action")

func allAllowed(decisions []decision.Decision) bool {
	return !slices.ContainsFunc(decisions, func(d decision.Decision) bool { return d.Effect != rbac.Allowed })
}

// route checks the path, the method and the api-version, and returns the query.
func (h *Handler) route(r *http.Request, ev *httpx.Event) (url.Values, error) {
	path, err := arm.SkipEmptySegments(r.URL.Path)
	if err != nil || !Serves(path) {
		return nil, errorf(http.StatusNotFound, "NotFound", "There is nothing at this path. Decisions are at %s.", Path)
	}
	ev.Operation = operation
	if err := ev.Injected(r); err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		refusal := errorf(http.StatusMethodNotAllowed, "MethodNotAllowed", "The HTTP method '%s' is not supported here.", r.Method)
		refusal.Header = http.Header{"Allow": {"GET, POST"}}
		return nil, refusal
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, errorf(http.StatusBadRequest, "BadRequest", "The query cannot be read.")
	}
	if asked := query["api-version"]; len(asked) != 1 || arm.Version(asked[0]) != version {
		return nil, errorf(http.StatusBadRequest, "InvalidApiVersion", "The query parameter api-version must be '%s'.", version)
	}
	return query, nil
}

// admit returns nil if a caller may ask about a resource. A resource in a subscription of another tenant, or in none that
// exists, is refused like one at which the caller has no right.
func (h *Handler) admit(tx store.Tx, caller rbac.Caller, at arm.ID) error {
	refusal := errorf(http.StatusForbidden, "AuthorizationFailed",
		"The client with object id '%s' needs the permission '%s' or '%s' at the resource to ask for decisions there.",
		caller.ObjectID, decision.ActionCheckAccess, decision.ActionReadAssignments)
	if at.Subscription() != "" {
		subscription, err := h.Subscriptions.Subscription(tx, at)
		if isARM(err) || err == nil && subscription.TenantID != caller.TenantID {
			return refusal
		}
		if err != nil {
			return err
		}
	}
	allowed, err := h.Decider.MayAsk(tx, caller, at)
	if err == nil && !allowed {
		return refusal
	}
	return err
}

// Refuse writes the error for a request that the server refuses before Serve.
func (h *Handler) Refuse(w http.ResponseWriter, _ *http.Request, ev *httpx.Event, status int) {
	ev.API = "checkaccess"
	code, message := httpx.Refusal(status)
	h.fail(w, ev, errorf(status, code, "%s", message))
}
