package grant

import (
	"errors"
	"log/slog"
	"time"

	"midas/internal/arm"
	"midas/internal/retention"
	"midas/internal/store"
)

// How long things are good.
const (
	CodeLifetime    = 10 * time.Minute
	DeviceLifetime  = 15 * time.Minute
	RefreshLifetime = 90 * 24 * time.Hour // since it was last used
	PageLifetime    = 24 * time.Hour      // of the refresh tokens of a page in a browser, since the sign-in
)

// Why something is not accepted. Callers tell the reasons apart with errors.Is.
var (
	ErrInvalid  = errors.New("grant: not issued here, or no longer known")
	ErrExpired  = errors.New("grant: its time is over")
	ErrRedeemed = errors.New("grant: it was redeemed before")
	ErrReused   = errors.New("grant: an earlier refresh token of its family was used again, so the family has ended")
	ErrPending  = errors.New("grant: the user has not decided yet")
	ErrDeclined = errors.New("grant: the user has declined")
)

// Grant is what a user has granted: that a client acts as them.
type Grant struct {
	TenantID      string    `json:"tenantId"`
	UserID        string    `json:"userId"`
	ClientID      string    `json:"clientId"`
	Scope         string    `json:"scope,omitempty"`        // what the client has asked for, as it has spelled it
	Authenticated time.Time `json:"authenticated"`          // when the user has shown the password
	Page          bool      `json:"page,omitempty"`         // the client is a page in a browser, without a server
	Confidential  bool      `json:"confidential,omitempty"` // the client has shown a credential, and has to again
}

// Grants keeps grants. All fields are required but Log, Retention and Overlap. It is safe for concurrent use.
type Grants struct {
	Store  store.Store
	Sealer *Sealer
	Now    func() time.Time
	NewID  func() string
	// Retention tells whether what is over may be deleted; nil: always.
	Retention *retention.Guard
	Log       *slog.Logger // what Run could not do and tries again; nil: not said

	// Overlap is for how long after a refresh token was exchanged the old one counts as a retry and is
	// exchanged for the same successor. Requests that were under way at the same moment always are,
	// because several programs of one user may share one cache. A later use counts as a theft and ends
	// the sign-in: the longer Overlap is, the longer a thief goes unnoticed.
	Overlap time.Duration
}

func (g *Grants) now() time.Time { return g.Now().UTC().Truncate(time.Second) }

// Keys by kind. What is of no particular tenant lies with the one without a name.
func codeKey(tenant, id string) string   { return key(store.CodeKind, tenant, id) }
func familyKey(tenant, id string) string { return key(store.RefreshKind, tenant, id) }
func deviceKey(tenant, id string) string { return key(store.DeviceKind, tenant, id) }
func userCodeKey(code string) string     { return key(store.UserCodeKind, "", code) }

func key(kind store.Kind, tenant, id string) string {
	return kind.Key(arm.Fold(tenant), arm.Fold(id))
}

// The kinds of records.
var (
	codes     = store.Table[codeRecord]{Kind: store.CodeKind, Missing: ErrInvalid}
	families  = store.Table[familyRecord]{Kind: store.RefreshKind, Missing: ErrInvalid}
	devices   = store.Table[Device]{Kind: store.DeviceKind, Missing: ErrInvalid}
	userCodes = store.Table[userCodeRecord]{Kind: store.UserCodeKind, Missing: ErrInvalid}
)
