package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/api/bearer"
	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/decision"
	"midas/internal/directory"
	"midas/internal/explain"
	"midas/internal/federation"
	"midas/internal/fleet"
	"midas/internal/hierarchy"
	"midas/internal/identity"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/seal"
	"midas/internal/store"
	"midas/internal/subscription"
)

// Handler serves ARM requests. All exported fields must be set; New sets the others.
type Handler struct {
	Origin     string // scheme and authority of the server, without a trailing slash
	HomeTenant string // the tenant that a 401 names outside of subscriptions
	Tokens     bearer.Verifier
	RBAC       *rbac.Service
	Explain    *explain.Service
	Directory  *directory.Directory
	Resources  *resource.Service
	Hierarchy  *hierarchy.Service
	Identities *identity.Service
	Compute    *compute.Service
	Fleet      *fleet.Fleet
	Locks      *lock.Service
	Decider    *decision.Decider
	Activity   *activity.Log
	Store      store.Store
	Pages      *seal.Pages
	Now        func() time.Time
	NewID      func() string

	Subscriptions *subscription.Service

	Exchanges Exchanges
	Inspect   func(issuer string) federation.Inspection // what is known of an outside issuer; nil: nothing is

	// Namespaces are the resource providers whose types may be used although they are not in the
	// operation table. AllNamespaces among them means all; empty means none.
	Namespaces []string

	table  *table
	bearer bearer.Checker
}

// New builds the operation table.
func New(h Handler) (*Handler, error) {
	var err error
	if h.table, err = newTable(h.operations(), newGeneric(h.genericOperations(), h.Namespaces)); err != nil {
		return nil, err
	}
	h.bearer = bearer.Checker{Tokens: h.Tokens, Directory: h.Directory, Audiences: audiences(h.Origin), Groups: true}
	return &h, nil
}

// Serve answers one request. Security depends on the order of the steps.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, ev *httpx.Event) {
	ev.API = "management"
	r, err := httpx.SkipEmptySegments(r, ev)
	if err != nil {
		h.fail(w, r, ev, errURI(err))
		return
	}
	if isEndpoints(r.URL.Path) {
		h.endpoints(w, r, ev)
		return
	}
	response, err := h.serve(r, ev)
	if err != nil {
		h.fail(w, r, ev, err)
		return
	}
	h.answer(w, r, ev, response)
}

func (h *Handler) serve(r *http.Request, ev *httpx.Event) (*Response, error) {
	req, op, err := h.parse(r, ev)
	if op != nil {
		ev.Operation = op.label
	}
	if fault := ev.Injected(r); fault != nil {
		return nil, fault
	}
	if err != nil {
		return nil, err
	}
	req.Action, req.locks, req.op = op.action(req), op.Locks, op
	if op.Target == arm.Action && op.Verb == "" { // an action of a provider on the scope before it
		req.acts = req.ID().Parent()
	}
	if err := h.admit(r.Context(), req, op); err != nil {
		return nil, h.recordLocked(r.Context(), req, err)
	}
	response, err := op.Serve(r.Context(), req)
	if err != nil && !req.refused {
		err = h.recordRefusal(r.Context(), req, h.recordLocked(r.Context(), req, err))
	}
	if err != nil {
		return nil, err
	}
	return response, nil
}

// parse parses a request and finds its operation. It returns the operation also with an error that occurs
// after the operation is found, because metrics are labelled with the operation.
func (h *Handler) parse(r *http.Request, ev *httpx.Event) (*Request, *Operation, error) {
	path, err := arm.ParsePath(r.Method, arm.SplitEncodedScope(ev.Path))
	if err != nil {
		return nil, nil, errURI(err)
	}
	query, err := parameters(r.URL.RawQuery)
	if err != nil {
		return nil, nil, errURI(errors.New("the query cannot be read"))
	}
	op, version, err := h.table.find(r.Method, path, query["api-version"])
	if err != nil {
		return nil, op, err
	}
	if subscription := path.ID.Subscription(); subscription != "" && !arm.IsGUID(subscription) {
		return nil, op, arm.Errorf(http.StatusBadRequest, "InvalidSubscriptionId",
			"The provided subscription identifier '%s' is malformed or invalid.", subscription)
	}
	typ := op.Type
	if typ == anyType || typ.Namespace() == anyNamespace {
		typ = path.Type
	}
	return &Request{HTTP: r, Path: path, Type: typ, Version: version, Query: query, event: ev}, op, nil
}

// errURI is the 400 for a path or a query that cannot be parsed.
func errURI(cause error) error {
	return arm.Errorf(http.StatusBadRequest, "InvalidRequestUri", "The request URI is invalid: %s.", cause)
}

// admit authenticates the caller and authorizes the request, in one view of the store. It reports a missing
// subscription only after authentication, so that an anonymous client cannot test which subscriptions exist.
// It writes a refusal to the activity log before it returns it.
func (h *Handler) admit(ctx context.Context, r *Request, op *Operation) error {
	allowed, read := false, h.Store.View
	if changes(op) {
		read = h.Store.Recent
	}
	err := read(ctx, func(tx store.Tx) error {
		r.Caller, allowed = rbac.Caller{}, false
		subscription, missing, err := h.tenantOf(tx, r.ID())
		if err != nil {
			return err
		}
		if err := h.authenticate(tx, r, subscription.TenantID); err != nil {
			return err
		}
		if missing != nil {
			return missing
		}
		if allowed, err = h.allowed(tx, r, op); err != nil || !allowed {
			return err
		}
		if err := checkWritable(subscription, r, op); err != nil {
			return err
		}
		if err := h.checkLocks(tx, r); err != nil {
			return err
		}
		return checkRegistered(subscription, r)
	})
	r.event.Caller = r.Caller.ObjectID
	if err != nil {
		return err
	}
	if err := h.recordAudit(ctx, r); err != nil || allowed {
		return err
	}
	return h.recordRefusal(ctx, r, h.errUnauthorized(r))
}

// changes reports whether an operation is a write, which is decided again in its transaction. Until then what this
// server knows is enough, so that a write need not wait for the newest revision twice.
func changes(op *Operation) bool {
	return op.Method == http.MethodPut || op.Method == http.MethodPatch || op.Method == http.MethodDelete
}

// allowed reports whether the caller may perform the operation: it owns the addressed object, or RBAC allows it.
func (h *Handler) allowed(tx store.Tx, r *Request, op *Operation) (bool, error) {
	if op.Own != nil {
		if own, err := op.Own(tx, r); err != nil || own {
			return own, err
		}
	}
	switch {
	case op.OwnOnly:
		return false, nil
	case op.Perform == "":
		return true, nil
	case !op.Visible && !op.Filtered:
		return h.decide(tx, r, op)
	}
	may, err := h.maySee(tx, r, op)
	if err != nil || may {
		return may, err
	}
	_, err = h.decide(tx, r, op) // it keeps the error that names the deny assignment
	return false, err
}

// maySee reports whether the caller may use an operation that shows what the caller may see.
func (h *Handler) maySee(tx store.Tx, r *Request, op *Operation) (bool, error) {
	if op.Visible {
		return h.RBAC.Visible(tx, r.Caller, r.ID().SubscriptionScope())
	}
	return h.mayList(tx, r, op.actionKey(r))
}

// tenantOf returns the record of the subscription of an id, which names its tenant. Only tokens of that tenant are
// accepted for the id. The record is zero for an id outside of subscriptions, where tokens of all tenants are
// accepted; so a subscription without a tenant is an error. A missing subscription is returned apart from failures,
// because a client must not learn of it before it is authenticated.
func (h *Handler) tenantOf(tx store.Tx, id arm.ID) (subscription resource.Record, missing *arm.Error, err error) {
	if id.Subscription() == "" {
		if strings.HasPrefix(id.Key(), "/subscriptions/") {
			return resource.Record{}, nil, fmt.Errorf("the key of %q is that of a subscription, and its structure is not", id)
		}
		return resource.Record{}, nil, nil
	}
	rec, err := h.Resources.Subscription(tx, id)
	if errors.As(err, &missing) {
		return resource.Record{}, missing, nil
	}
	if err == nil && rec.TenantID == "" {
		err = fmt.Errorf("subscription %s has no tenant", id.Subscription())
	}
	return rec, nil, err
}

// parameters parses the query and folds the names of its parameters, because clients spell them in several
// ways ($skiptoken, $skipToken).
func parameters(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("read the query: %w", err)
	}
	for name, values := range query {
		if folded := arm.Fold(name); folded != name {
			delete(query, name)
			query[folded] = append(query[folded], values...)
		}
	}
	return query, nil
}
