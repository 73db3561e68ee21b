package management

import (
	"context"
	"errors"
	"net/http"

	"midas/internal/api/httpx"
	"midas/internal/arm"
	"midas/internal/decision"
	"midas/internal/lock"
	"midas/internal/store"
)

// typeCheckAccess is the action of version 1 of checkAccess. Version 2 has an API of its own, package checkaccess.
const typeCheckAccess arm.Type = "Microsoft.Authorization/checkAccess"

// checkAccessOperations returns the operation with which a resource service asks what its users may do. The resource
// need not exist, because it is often one that only the service knows, such as a namespace of a cluster. At the tenant
// the path is that of version 2.
func (h *Handler) checkAccessOperations() []Operation {
	return []Operation{{
		Method: http.MethodPost, Type: typeCheckAccess, Target: arm.Action, At: arm.AtSubscription | arm.AtGroup | arm.AtResource,
		Perform: decision.ActionReadAssignments, Own: h.mayAsk, Locks: lock.Read, WhileReadOnly: true, Versions: authorizationVersions(), Serve: h.checkAccess,
	}}
}

// remainingReads is the value that guard wants to see in every answer: if it is below its limit, guard closes its
// connections. There is no limit here, so the number is that of Azure for a caller who has not asked yet.
var remainingReads = httpx.Fixed("X-Ms-Ratelimit-Remaining-Subscription-Reads", "11999")

// mayAsk reports whether the caller may ask at the scope. The action of the operation is one of those that suffice.
func (h *Handler) mayAsk(tx store.Tx, r *Request) (bool, error) {
	return h.Decider.MayAsk(tx, r.Caller, r.ID().Parent())
}

// checkAccess answers with the decisions for all actions of the question, in its order.
func (h *Handler) checkAccess(ctx context.Context, r *Request) (*Response, error) {
	text, err := r.readBody()
	if err != nil {
		return nil, err
	}
	question, err := decision.Parse(text)
	if err == nil {
		err = aim(question, r.ID().Parent())
	}
	if err != nil {
		return nil, errQuestion(err)
	}
	var decisions []decision.Decision
	err = h.Store.View(ctx, func(tx store.Tx) error {
		decisions, err = h.Decider.Decide(tx, r.Caller.TenantID, question)
		return err
	})
	if err != nil {
		return nil, errQuestion(err)
	}
	header := http.Header{}
	remainingReads.Set(header)
	return &Response{Status: http.StatusOK, Encoded: decision.Append(nil, decisions), Header: header}, nil
}

// aim checks that a question is about the scope of its path or a resource below it. The caller's right was checked at
// that scope.
func aim(q *decision.Question, scope arm.ID) error {
	if !q.Named {
		q.Resource = scope
	}
	if !scope.Contains(q.Resource) {
		return &decision.Error{Message: "Resource.Id is neither the resource of the request's path nor below it."}
	}
	return nil
}

// errQuestion maps a *decision.Error to a 400 and returns any other error unchanged.
func errQuestion(err error) error {
	var wrong *decision.Error
	if errors.As(err, &wrong) {
		return arm.Errorf(http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid: %s", wrong.Message)
	}
	return err
}
