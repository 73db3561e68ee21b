package management

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/explain"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/rbac/condition"
	"midas/internal/store"
)

// typeExplain is Midas's own operation that says why a request is allowed or refused. Azure has none.
const typeExplain arm.Type = "Midas.Authorization/explain"

// explainVersion is the api-version of typeExplain.
const explainVersion arm.Version = "2026-11-01"

// explainOperations need no role: everyone may ask about themselves, and about others the handler asks for the rights.
func (h *Handler) explainOperations() []Operation {
	return withVersions([]arm.Version{explainVersion}, []Operation{
		{Method: http.MethodPost, Type: typeExplain, Target: arm.Action, At: arm.AnyLevel, Locks: lock.Read, WhileReadOnly: true, Serve: h.explainBody},
		{Method: http.MethodGet, Type: typeExplain, Target: arm.Collection, At: arm.AnyLevel, Serve: h.explainQuery},
		{Method: http.MethodPost, Type: typeExplainExchange, Target: arm.Action, At: arm.AtTenant, WhileReadOnly: true, Locks: lock.Read, Serve: h.explainExchange},
	})
}

// explainBody serves POST {scope}/providers/Midas.Authorization/explain. A field that the body leaves out is taken
// from the query, so that the link in a refusal can also be posted to.
func (h *Handler) explainBody(ctx context.Context, r *Request) (*Response, error) {
	var body wire.Explain
	if r.HTTP.ContentLength != 0 {
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
	}
	query, err := explainFromQuery(r)
	if err != nil {
		return nil, err
	}
	body.PrincipalID, body.Action = cmp.Or(body.PrincipalID, query.PrincipalID), cmp.Or(body.Action, query.Action)
	body.IsDataAction = body.IsDataAction || body.DataAction || query.IsDataAction
	return h.explain(ctx, r, r.ID().Parent(), body)
}

// explainQuery serves GET {scope}/providers/Midas.Authorization/explain, which a browser can follow.
func (h *Handler) explainQuery(ctx context.Context, r *Request) (*Response, error) {
	query, err := explainFromQuery(r)
	if err != nil {
		return nil, err
	}
	return h.explain(ctx, r, r.ID(), query)
}

func explainFromQuery(r *Request) (wire.Explain, error) {
	data := r.Query.Get("isdataaction")
	if data != "" && !arm.SameName(data, "true") && !arm.SameName(data, "false") {
		return wire.Explain{}, arm.Errorf(http.StatusBadRequest, "InvalidParameter", "The value '%s' of isDataAction is neither true nor false.", data)
	}
	return wire.Explain{PrincipalID: r.Query.Get("principalid"), Action: r.Query.Get("action"), IsDataAction: arm.SameName(data, "true")}, nil
}

func (h *Handler) explain(ctx context.Context, r *Request, scope arm.ID, body wire.Explain) (*Response, error) {
	q, err := h.question(r, scope, body)
	if err != nil {
		return nil, err
	}
	if err := r.event.MakeList(ctx); err != nil { // the answer is large
		return nil, err
	}
	var answer explain.Answer
	var lacks string
	err = h.Store.View(ctx, func(tx store.Tx) error {
		if lacks, err = h.Explain.MayAsk(tx, q); err != nil || lacks != "" {
			return err
		}
		answer, err = h.Explain.Explain(tx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	if lacks != "" {
		r.Action = lacks
		return nil, h.recordRefusal(ctx, r, h.errAuthorizationFailed(r, lacks, scope))
	}
	return ok(wire.EncodeExplanation(q, answer))
}

// question checks what is asked. Without a principal, the caller asks about itself.
func (h *Handler) question(r *Request, scope arm.ID, body wire.Explain) (explain.Question, error) {
	principal, valid := arm.ParseGUID(cmp.Or(body.PrincipalID, r.Caller.ObjectID))
	if !valid {
		return explain.Question{}, arm.Errorf(http.StatusBadRequest, "InvalidPrincipalId", "The principal id '%s' is not a GUID.", clipped(body.PrincipalID))
	}
	if body.Action == "" {
		return explain.Question{}, arm.ErrInvalidContent("Required property 'action' not found in JSON. Path ''")
	}
	if err := arm.CheckType(body.Action); err != nil {
		return explain.Question{}, arm.Errorf(http.StatusBadRequest, "InvalidAction",
			"The action '%s' %s. An action names one operation, such as Microsoft.Compute/virtualMachines/read.", clipped(body.Action), err)
	}
	attributes, err := attributesOf(body.Attributes)
	if err != nil {
		return explain.Question{}, err
	}
	q := explain.Question{
		Asker: r.Caller, Principal: principal, Action: body.Action, Data: body.IsDataAction || body.DataAction, Scope: scope, Attributes: attributes,
	}
	if !q.Data {
		q.AnyRole, q.Lock, q.Writes = h.table.traits(arm.Fold(body.Action))
		q.Lists, q.ListsAll = h.table.lists(arm.Fold(body.Action))
		q.Operations = h.table.actions()
		q.AnyRole = q.AnyRole && scope.IsSubscription()
	}
	return q, nil
}

// attributesOf reads the attributes of a question: by source, then by name.
func attributesOf(given map[string]map[string]any) (attributes condition.Attributes, err error) {
	sources := []condition.Source{condition.Request, condition.Resource, condition.Principal}
	for word, named := range given {
		i := slices.IndexFunc(sources, func(s condition.Source) bool { return arm.SameName(s.String(), word) })
		if i < 0 {
			return condition.Attributes{}, arm.ErrInvalidContent("'%s' is none of request, resource and principal. Path 'attributes'", clipped(word))
		}
		for name, value := range named {
			values, err := condition.FromJSON(value)
			if err != nil {
				return condition.Attributes{}, arm.ErrInvalidContent("The attribute '%s' is not valid: %v. Path 'attributes'", clipped(name), err)
			}
			attributes.Set(sources[i], name, values...)
		}
	}
	return attributes, nil
}

// traits returns what the operation table says of an action, which is folded: whether everyone with a role in the
// subscription may perform it, what it is for locks, and whether a cancelled subscription refuses it. An action that
// is not in the table is named by its last word.
func (t *table) traits(action string) (visible bool, locked lock.Operation, writes bool) {
	for i := range t.operations {
		if op := &t.operations[i]; op.performed == action {
			changes := op.Method == http.MethodPut || op.Method == http.MethodPatch || op.Method == http.MethodPost
			return op.Visible, op.Locks, changes && !op.WhileReadOnly
		}
	}
	switch action[strings.LastIndexByte(action, '/')+1:] {
	case "read":
		return false, lock.Read, false
	case "delete":
		return false, lock.Delete, false
	}
	return false, lock.Write, true
}

// lists reports whether an action, which is folded, is one of a list that shows less to those who may read less, and
// whether that list shows resources of all types.
func (t *table) lists(action string) (filtered, ofAllTypes bool) {
	for i := range t.operations {
		if op := &t.operations[i]; op.Filtered && op.performed == action {
			filtered = true
			ofAllTypes = ofAllTypes || op.Type == typeResources || op.Type == typeGroupResources
		}
	}
	return filtered, ofAllTypes
}

// actions returns the actions of the operations.
func (t *table) actions() (names []string) {
	for i := range t.operations {
		if op := &t.operations[i]; op.performed != "" {
			names = append(names, op.Perform)
		}
	}
	return names
}

// infoExplain is the type of the entry in additionalInfo that says how to ask why a request was refused.
const infoExplain = "MidasExplain"

// errAuthorizationFailed is Azure's error for a caller without the right to an action. Its additionalInfo says how
// the caller can ask why.
func (h *Handler) errAuthorizationFailed(r *Request, action string, scope arm.ID) *arm.Error {
	return h.explained(r, rbac.ErrAuthorizationFailed(r.Caller, action, scope), action, scope)
}

// explainable adds to a refusal of the request itself how the caller can ask why. It leaves other errors alone.
func (h *Handler) explainable(r *Request, err error) error {
	var refusal *arm.Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusForbidden {
		return h.explained(r, refusal, r.Action, r.ID())
	}
	return err
}

// explained adds to a refusal how the caller can ask why.
func (h *Handler) explained(r *Request, err *arm.Error, action string, scope arm.ID) *arm.Error {
	if scope.TypeKey() == keyProvider {
		scope = scope.Parent() // a provider is no scope that can be asked about
	}
	at := strings.TrimSuffix(scope.String(), "/")
	query := url.Values{"api-version": {string(explainVersion)}, "action": {action}}
	err.Info = []arm.AdditionalInfo{{Type: infoExplain, Info: map[string]string{
		"link":    h.origin(r) + (&url.URL{Path: at}).EscapedPath() + "/providers/" + string(typeExplain) + "?" + query.Encode(),
		"command": "midas explain --principal " + r.Caller.ObjectID + " --action " + action + " --scope " + shellQuoted(scope.String()),
	}}}
	return err
}

// shellQuoted quotes an id for a POSIX shell, if it needs quotes.
func shellQuoted(id string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_-./", c)
	}
	if !strings.ContainsFunc(id, func(c rune) bool { return !plain(c) }) {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}

// clipped shortens a text of the client to 256 bytes, for an error message.
func clipped(s string) string {
	const most = 256
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
