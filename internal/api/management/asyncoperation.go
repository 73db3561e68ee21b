package management

import (
	"strconv"
	"strings"
	"time"

	"midas/internal/arm"
)

// asyncOperation is a write that a client can poll, although it has ended. The URL that the client polls
// contains these fields, sealed, so that they need not be stored.
type asyncOperation struct {
	began   time.Time
	starter string // object id
}

func (h *Handler) sealOperation(subscription, name string, op asyncOperation) string {
	return h.Pages.Seal(operationSeal(subscription, name), strconv.FormatInt(op.began.UnixNano(), 10)+" "+op.starter)
}

// openOperation reads the fields from the URL of an operation. It reports false if this server has not made
// the URL.
func (h *Handler) openOperation(r *Request) (op asyncOperation, found bool) {
	return h.openSealed(r.ID().Subscription(), r.ID().Name(), r.Query.Get("t"))
}

// openSealed is openOperation for the operation of a name in a subscription, or outside of subscriptions.
func (h *Handler) openSealed(subscription, name, token string) (op asyncOperation, found bool) {
	sealed, err := h.Pages.Open(operationSeal(subscription, name), token)
	if err != nil {
		return asyncOperation{}, false
	}
	moment, starter, _ := strings.Cut(sealed, " ")
	nanos, err := strconv.ParseInt(moment, 10, 64)
	return asyncOperation{time.Unix(0, nanos).UTC(), starter}, err == nil
}

func operationSeal(subscription, name string) string {
	return "operation\x00" + arm.Fold(subscription) + "\x00" + arm.Fold(name)
}
