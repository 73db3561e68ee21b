// Package host is the language that a host and the server speak, and that the host's agent and its
// metadata endpoints speak among themselves: whom a workload wants to be, the token that it gets,
// what the server says of the machine, and the reasons why it may get nothing.
//
// A host never names its resource. The server knows it from the host's certificate, so there is
// nothing in a request that could name another one.
package host

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Selector says which of a resource's identities a workload wants to be. At most one field is set;
// with none it wants the default one.
type Selector struct {
	ClientID   string `json:"clientId,omitempty"`
	ObjectID   string `json:"objectId,omitempty"`
	ResourceID string `json:"resourceId,omitempty"`
}

// The reasons why there is no token.
var (
	// ErrNotAssigned: the selected identity is not one of the resource's, or does not exist any more.
	ErrNotAssigned = errors.New("the identity is not assigned to the resource of this host")
	// ErrNone: no identity was selected, and the resource has none.
	ErrNone = errors.New("the resource of this host has no identity")
	// ErrSeveral: no identity was selected, and the resource has several, none of which is its own.
	ErrSeveral = errors.New("the resource of this host has several identities, and none was selected")
	// ErrAudience: a token for this audience cannot be made.
	ErrAudience = errors.New("the audience is not acceptable")
	// ErrResourceDisabled: the service principal of the audience is disabled.
	ErrResourceDisabled = errors.New("the service principal of the audience is disabled")
	// ErrNotAllowed: the audience requires that those who use it are assigned to it, and the identity is not.
	ErrNotAllowed = errors.New("the identity is not assigned to the audience's application")
	// ErrRevoked: the server does not know this host, or not any more.
	ErrRevoked = errors.New("the server does not know this host")
	// ErrAway: the server cannot be asked.
	ErrAway = errors.New("the server cannot be reached")
)

const redacted = "[redacted]"

// Secret is a text that must not be logged or printed.
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
	Audience  string // as it was asked for
	Principal Principal
	NotBefore time.Time
	Expires   time.Time
}

// Principal is one of the identities that a resource has.
type Principal struct {
	TenantID   string    `json:"tenantId"`
	ClientID   string    `json:"clientId"`
	ObjectID   string    `json:"objectId"`
	ResourceID string    `json:"resourceId"`         // of the identity; of the resource itself if it is its own
	ValidFrom  time.Time `json:"validFrom,omitzero"` // tokens issued before are revoked
}

// Instance is what the server knows of the resource that the host is.
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
	UniqueID       string            `json:"uniqueId"` // differs for a resource of the same name that is made later
	Plan           json.RawMessage   `json:"plan,omitempty"`
	Properties     json.RawMessage   `json:"properties,omitempty"` // as the resource's provider defines them
	Interfaces     []json.RawMessage `json:"interfaces,omitempty"` // properties of its Microsoft.Network/networkInterfaces
}
