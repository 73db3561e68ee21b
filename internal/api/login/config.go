package login

import (
	"time"

	"midas/internal/directory"
	"midas/internal/grant"
	"midas/internal/throttle"
	"midas/internal/token"
)

// DefaultTokenLifetime is what Entra gives to applications, to the second.
const DefaultTokenLifetime = time.Hour

// Config is what the endpoints work with. All fields are required, except those for which zero stands for
// a default.
type Config struct {
	Directory  *directory.Directory
	Grants     *grant.Grants
	Minter     *token.Minter   // Origin of its Issuer is where this API is reached, and the issuer that tokens name
	Tokens     *token.Verifier // of the same keys and origin
	HomeTenant string          // the tenant of the paths that name none, such as those of AD FS
	Now        func() time.Time
	NewID      func() string // gives a GUID

	TokenLifetime   time.Duration // of access tokens, in whole seconds; 0 means DefaultTokenLifetime
	SessionLifetime time.Duration // of a browser's session; 0 means DefaultSessionLifetime
	SessionIdle     time.Duration // of a session that is not used; 0 means DefaultSessionIdle

	Throttle  *throttle.Table // counts everything that is limited for clients
	Passwords *throttle.PasswordLimiter
	Limits    Limits
}

func (c *Config) issuer() *token.Issuer { return c.Minter.Issuer }

// accounts finds tenants, clients, users and resources in the directory, and decides what a client may do
// for a user. The endpoints stand on it; it knows none of them.
type accounts struct{ *Config }
