// Package activity implements the activity log. It records the accepted writes of the control plane and the
// refused requests, each with its caller and its resource.
//
// Log.Update makes every accepted write of the control plane. The change and its event are one transaction,
// so there is no change without an event and no event without its change. A refused request has no
// transaction; Log.Refuse counts it and writes its event separately, within separate limits.
//
// Events are stored in the order of time under x/<unix nanoseconds>-<id>, and refusals under xr/. Queries read
// from the newest event to the oldest and examine a bounded number of records for each page. Log.Run removes
// events that are too old and, if the events or the refusals exceed their size limit, the oldest of them.
package activity

import (
	"encoding/json"
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
	SubscriptionID string `json:"subscription,omitempty"` // empty outside of subscriptions
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
	URI             string `json:"uri,omitempty"` // of its query only the api-version

	// Detail is the record that the request has written or deleted, as JSON, in the events of role assignments:
	// who reads the log wants to know who was given which role. Append drops one of more than maxDetail bytes.
	Detail json.RawMessage `json:"detail,omitempty"`

	// Guard is called in the transaction of an accepted write, before the write. Its error refuses the write. Nil
	// refuses nothing. It is not stored: work that goes on after the transaction is not refused any more.
	Guard func(store.Tx) error `json:"-"`

	// Count is the number of refusals that the event stands for. Time is the time of the first one, and Last
	// that of the last one. Count and Last are zero in the event of an accepted request.
	Count int       `json:"count,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// maxField is the limit of each text of an event in bytes. It keeps a caller without rights from filling the
// log with a few long requests.
const maxField = 2048

// maxDetail is the limit of an event's detail in bytes. A role assignment with the longest condition and
// description is smaller.
const maxDetail = 32 << 10

var events = store.Table[Event]{Kind: store.EventKind}

// refusedEvents are the events of refused requests.
var refusedEvents = store.Table[Event]{Kind: store.RefusalKind}

var prefix = store.EventKind.Keys

// clip shortens the texts of an event to maxField, and drops a detail that is too large.
func (e *Event) clip() {
	if len(e.Detail) > maxDetail {
		e.Detail = nil
	}
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

// cut shortens a text to at most most bytes. It does not split a character.
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

// keyAt returns a key that sorts before all events at t and after all earlier ones. Times before 1970 and
// after 2262 do not fit into 64 bits of nanoseconds and become the nearest time that does.
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
