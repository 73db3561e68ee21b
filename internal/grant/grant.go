package grant

import (
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"midas/internal/arm"
	"midas/internal/retention"
	"midas/internal/store"
)

// Lifetimes of codes and tokens.
const (
	CodeLifetime    = 10 * time.Minute
	DeviceLifetime  = 15 * time.Minute
	RefreshLifetime = 90 * 24 * time.Hour // of a refresh token that is not used
	DefaultOverlap  = 30 * time.Second    // of the exchanges of one refresh token; see Grants.Overlap
	PageLifetime    = 24 * time.Hour      // of a single-page application's refresh tokens, since the sign-in
)

// Reasons why a code, token or session is refused. Callers test for them with errors.Is.
var (
	ErrInvalid  = errors.New("grant: not issued by this server, or already removed")
	ErrExpired  = errors.New("grant: expired")
	ErrRedeemed = errors.New("grant: the code was already redeemed")
	ErrReused   = errors.New("grant: an old refresh token was used again, so its family has ended")
	ErrTooMany  = errors.New("grant: the refresh token was exchanged too often at the same moment")
	ErrPending  = errors.New("grant: the user has not decided yet")
	ErrDeclined = errors.New("grant: the user has declined")
)

// Grant is a user's permission for a client to act for them.
type Grant struct {
	TenantID      string    `json:"tenantId"`
	UserID        string    `json:"userId"`
	ClientID      string    `json:"clientId"`
	Scope         string    `json:"scope,omitempty"`        // the requested scopes, in the client's spelling
	Authenticated time.Time `json:"authenticated"`          // when the password was checked
	SessionID     string    `json:"sid,omitempty"`          // Session.PublicID of the browser; empty: none
	Page          bool      `json:"page,omitempty"`         // the client is a single-page application
	Confidential  bool      `json:"confidential,omitempty"` // the client has authenticated, and must do so at each use
}

// Grants stores and checks grants and sessions. All fields are required but Log, Retention and Overlap. It
// is safe for concurrent use.
type Grants struct {
	Store  store.Store
	Sealer *Sealer
	Now    func() time.Time
	NewID  func() string
	// Retention decides whether expired records may be deleted; nil: always.
	Retention *retention.Guard
	Log       *slog.Logger // gets the errors of Run; nil: they are not logged

	// Shared is set if other replicas use the store.
	Shared bool

	// Overlap is how long after its first exchange a refresh token can be exchanged again, by programs of one
	// user that share one cache. Each gets a successor of its own. Requests that began before the first
	// exchange always get one. Any later use counts as theft and ends the family. The longer Overlap is, the
	// longer a thief can use a token that the owner has exchanged.
	Overlap time.Duration
}

func (g *Grants) now() time.Time { return g.Now().UTC().Truncate(time.Second) }

// Keys by kind. Records of no particular tenant have an empty tenant in their key.
func codeKey(tenant, id string) string   { return key(store.CodeKind, tenant, id) }
func familyKey(tenant, id string) string { return key(store.RefreshKind, tenant, id) }
func deviceKey(tenant, id string) string { return key(store.DeviceKind, tenant, id) }
func userCodeKey(code string) string     { return key(store.UserCodeKind, "", code) }

func key(kind store.Kind, tenant, id string) string {
	return kind.Key(arm.Fold(tenant), arm.Fold(id))
}

// The tables of codes, families and devices.
var (
	codes    = store.Table[codeRecord]{Kind: store.CodeKind, Missing: ErrInvalid}
	families = store.Table[familyRecord]{
		Kind: store.RefreshKind, Missing: ErrInvalid, Migrate: []func(json.RawMessage) (json.RawMessage, error){fromGenerations},
	}
	devices   = store.Table[Device]{Kind: store.DeviceKind, Missing: ErrInvalid}
	userCodes = store.Table[userCodeRecord]{Kind: store.UserCodeKind, Missing: ErrInvalid}
)
