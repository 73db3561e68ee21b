// Package host has the types that hosts and the server exchange, and that the server's domain, the agent and
// the metadata endpoints share: the selector of an identity, the token, the description of the machine, and
// the errors.
//
// Requests of a host do not name its resource. The server knows the resource from the host's certificate, so
// a host cannot ask for another resource.
package host

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Selector selects one of the identities of a resource. At most one field is set. The zero value selects the
// default identity: the system-assigned one, else the only user-assigned one.
type Selector struct {
	ClientID   string `json:"clientId,omitempty"`
	ObjectID   string `json:"objectId,omitempty"`
	ResourceID string `json:"resourceId,omitempty"`
}

// The errors of a request for a token.
var (
	// ErrNotAssigned: the selected identity is not assigned to the resource, or was deleted or disabled.
	ErrNotAssigned = errors.New("the identity is not assigned to the resource of this host")
	// ErrNone: no identity was selected, and the resource has none.
	ErrNone = errors.New("the resource of this host has no identity")
	// ErrSeveral: no identity was selected, and the resource has several user-assigned identities and no
	// system-assigned one.
	ErrSeveral = errors.New("the resource of this host has several identities, and none was selected")
	// ErrAudience: the audience is empty, too long or has control characters.
	ErrAudience = errors.New("the audience is not acceptable")
	// ErrResourceDisabled: the service principal of the audience is disabled.
	ErrResourceDisabled = errors.New("the service principal of the audience is disabled")
	// ErrNotAllowed: the application of the audience requires an assignment, and the identity has none.
	ErrNotAllowed = errors.New("the identity is not assigned to the audience's application")
	// ErrRevoked: the server does not know this host, or has revoked it.
	ErrRevoked = errors.New("the server does not know this host")
	// ErrAway: the server cannot be reached.
	ErrAway = errors.New("the server cannot be reached")
)

const redacted = "[redacted]"

// Secret is a string that is redacted in logs and in formatted output.
type Secret string

// String hides the secret.
func (Secret) String() string { return redacted }

// GoString hides the secret.
func (Secret) GoString() string { return redacted }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Token is an access token for a workload.
type Token struct {
	Raw       Secret
	Audience  string // as in the request
	Principal Principal
	NotBefore time.Time
	Expires   time.Time
}

// Principal is the service principal of one of a resource's identities.
type Principal struct {
	TenantID   string    `json:"tenantId"`
	ClientID   string    `json:"clientId"`
	ObjectID   string    `json:"objectId"`
	ResourceID string    `json:"resourceId"`         // of the identity; for a system-assigned one, of the resource
	ValidFrom  time.Time `json:"validFrom,omitzero"` // tokens issued before are revoked
}

// Instance describes the resource that the host acts for.
type Instance struct {
	ID             string            `json:"id"`
	TenantID       string            `json:"tenantId"`
	SubscriptionID string            `json:"subscriptionId"`
	ResourceGroup  string            `json:"resourceGroup"`
	Type           string            `json:"type"`
	Name           string            `json:"name"`
	Location       string            `json:"location"`
	Tags           map[string]string `json:"tags,omitempty"`
	Zones          []string          `json:"zones,omitempty"`
	UniqueID       string            `json:"uniqueId"` // a later resource of the same name has another one
	Plan           json.RawMessage   `json:"plan,omitempty"`
	Properties     json.RawMessage   `json:"properties,omitempty"` // as the resource's provider defines them
	Interfaces     []json.RawMessage `json:"interfaces,omitempty"` // properties of its Microsoft.Network/networkInterfaces
}
