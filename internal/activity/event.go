// Package activity keeps the activity log: who did what to which resource, and what was refused.
//
// Every accepted write of the control plane is made by Log.Update, so that the change and its event
// are one transaction: there is no change without an event and no event without its change. What is
// refused has no transaction to join; Log.Refuse counts it and writes it apart, within bounds of its own.
//
// Events lie in the order of time under x/<unix nanoseconds>-<id>, and refusals likewise under xr/. Reading
// goes backwards from the newest, a bounded number of records a page. Log.Run removes what is too old and,
// when the events or the refusals take too much room, the oldest of them.
package activity

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"midas/internal/store"
)

// The values of Event.Status.
const (
	Succeeded = "Succeeded"
	Failed    = "Failed"
)

// Event is one line of the activity log. Identifiers keep the spelling of the request.
type Event struct {
	ID            string    `json:"id"`                    // unique; filled in by Append when empty
	Time          time.Time `json:"time"`                  // filled in by Append when zero
	CorrelationID string    `json:"correlation,omitempty"` // shared by all events of one request
	OperationID   string    `json:"operation,omitempty"`

	TenantID       string `json:"tenant,omitempty"`
	SubscriptionID string `json:"subscription,omitempty"` // empty for what lies outside of subscriptions
	ResourceGroup  string `json:"group,omitempty"`
	ResourceID     string `json:"resource,omitempty"`
	ResourceType   string `json:"type,omitempty"`

	Operation string `json:"action,omitempty"` // the RBAC action, Microsoft.ManagedIdentity/userAssignedIdentities/write
	Status    string `json:"status,omitempty"` // Succeeded or Failed
	Code      int    `json:"code,omitempty"`   // the HTTP status; 0 when it was not known at the time of writing
	ErrorCode string `json:"error,omitempty"`  // AuthorizationFailed

	Caller          string `json:"caller,omitempty"` // the user's name or the application's client id
	CallerObjectID  string `json:"oid,omitempty"`
	ClientIP        string `json:"ip,omitempty"`
	ClientRequestID string `json:"request,omitempty"` // x-ms-client-request-id
	Method          string `json:"method,omitempty"`
	URI             string `json:"uri,omitempty"` // without its query

	// Count is how many refusals the event stands for, and Last the time of the last of them; Time is that
	// of the first. Both are empty in an event of something that was done.
	Count int       `json:"count,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// maxField bounds each text of an event, so that a caller who may do nothing cannot fill the log
// with a few long requests.
const maxField = 2048

var events = store.Table[Event]{Kind: store.EventKind}

// refusedEvents are the events of what was refused.
var refusedEvents = store.Table[Event]{Kind: store.RefusalKind}

var prefix = store.EventKind.Keys

// clip bounds the texts of an event.
func (e *Event) clip() {
	for _, field := range e.texts() {
		*field = cut(*field, maxField)
	}
}

func (e *Event) texts() []*string {
	return []*string{
		&e.ID, &e.CorrelationID, &e.OperationID, &e.TenantID, &e.SubscriptionID, &e.ResourceGroup,
		&e.ResourceID, &e.ResourceType, &e.Operation, &e.Status, &e.ErrorCode, &e.Caller,
		&e.CallerObjectID, &e.ClientIP, &e.ClientRequestID, &e.Method, &e.URI,
	}
}

// cut shortens a text to most bytes without breaking a character.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// keyAt is the key before all events of a moment and after all earlier ones. Moments that do not
// fit into 64 bits of nanoseconds, before 1970 and after 2262, become the nearest that does.
func keyAt(t time.Time) string {
	nanos := int64(0)
	switch {
	case t.After(time.Unix(0, math.MaxInt64)):
		nanos = math.MaxInt64
	case t.After(time.Unix(0, 0)):
		nanos = t.UnixNano()
	}
	digits := strconv.FormatInt(nanos, 10)
	return prefix + strings.Repeat("0", 20-len(digits)) + digits
}
