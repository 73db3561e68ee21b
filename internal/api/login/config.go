package login

import (
	"context"
	"time"

	"midas/internal/api/signin"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/grant"
	"midas/internal/throttle"
	"midas/internal/token"
)

// DefaultTokenLifetime is the lifetime of Entra's access tokens for applications.
const DefaultTokenLifetime = time.Hour

// DefaultManagedLifetime is the lifetime of Entra's access tokens for managed identities.
const DefaultManagedLifetime = 24 * time.Hour

// Config holds the dependencies and settings of the endpoints. All fields are required, except those whose
// zero value means a default.
type Config struct {
	Directory  *directory.Directory
	Grants     *grant.Grants
	Minter     *token.Minter   // its Issuer's Origin is this API's origin, and the issuer in tokens
	Tokens     *token.Verifier // verifies with the same keys and origin
	HomeTenant string          // the tenant of paths without a tenant, such as those of AD FS
	Now        func() time.Time
	NewID      func() string // gives a GUID

	TokenLifetime time.Duration // of access tokens, in whole seconds; 0 means DefaultTokenLifetime
	// ManagedLifetime is the lifetime of the tokens of managed identities, in whole seconds; 0 means
	// DefaultManagedLifetime.
	ManagedLifetime time.Duration
	// ContinuousLifetime is the longest lifetime of access tokens for resources that challenge revoked tokens, for
	// clients that handle the challenges (continuous access evaluation). If it is not longer than TokenLifetime, these
	// clients get the same tokens as others.
	ContinuousLifetime time.Duration

	SessionLifetime time.Duration // of a browser's session; 0 means DefaultSessionLifetime
	SessionIdle     time.Duration // of a session that is not used; 0 means DefaultSessionIdle

	// Federated lists the federated credentials of an application or a managed identity; nil: there are none. The
	// list is shared and must not be changed.
	Federated func(context.Context, directory.ServicePrincipal) ([]federation.Credential, error)

	SignIns *signin.Log // reports exchanges; nil: nothing does

	Issuers Issuers // verifies assertions of outside issuers; nil: none can be reached

	Throttle  *throttle.Table // counts wrong secrets, user codes and requests for device codes
	Passwords *throttle.PasswordLimiter
	Limits    Limits
}

func (c *Config) issuer() *token.Issuer { return c.Minter.Issuer }

// accounts finds tenants, clients, users and resources in the directory, and decides what a client may do
// for a user. It does not depend on the endpoints, which embed it.
type accounts struct{ *Config }
