// Package fleet knows the hosts: which machine may speak for which resource.
//
// Whoever may do so in Azure's roles invites a host: an invitation is a secret that is good once, for
// a quarter of an hour, for one resource. The host shows it with a certificate request and is admitted:
// it gets a certificate for some days, which it renews, and a record. Both the record and the resource
// must be there, the very resource that the host was admitted for and not a later one of its name, or
// the certificate is good for nothing. So a host is expelled by removing its record, and it goes with
// its resource.
//
// What a host may have can change at any moment. Fleet follows the store and wakes those hosts that a
// change is about.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/retention"
	"midas/internal/store"
)

// Type is the type under which ARM shows hosts, as extensions of the resources that they are. The
// namespace is not one of Microsoft's.
const Type arm.Type = "Midas.Hosts/hosts"

// Lifetimes.
const (
	InvitationLife  = 15 * time.Minute
	DefaultHostLife = 7 * 24 * time.Hour // of a certificate; hosts renew it at half of it
)

// The reasons for which a host is refused. They are told apart with errors.Is.
var (
	ErrInvitation = errors.New("the invitation is not known, is used up, or is too old")
	ErrUnknown    = errors.New("the host is not known")
	ErrRequest    = errors.New("the certificate request is not acceptable")
)

// Authority certifies hosts.
type Authority interface {
	// Certify gives a certificate, in PEM, for the key of a certificate request. An error that wraps
	// localca.ErrRequest is the request's fault.
	Certify(request []byte, name string, subject *url.URL, end time.Time) ([]byte, error)
}

// Identities tells who the workloads on a resource may be.
type Identities interface {
	ResourceIdentity(ctx context.Context, id arm.ID) (identity.ManagedServiceIdentity, error)
	Workload(ctx context.Context, id arm.ID, sel identity.Selector) (identity.Principal, error)
}

// Config is what a Fleet needs. All fields must be set, but for Life, of which 0 is DefaultHostLife, and
// Retention.
type Config struct {
	Store      store.Store
	Log        *activity.Log
	Resources  *resource.Service
	Identities Identities
	Authority  Authority
	Logger     *slog.Logger
	Now        func() time.Time
	NewID      func() string
	Life       time.Duration
	Retention  *retention.Guard // whether what has ended may be deleted; nil: always

	// UserData puts the user data of a machine, which are kept sealed, into its properties: programs on
	// the machine may read them.
	UserData func(resource.Record) (resource.Record, error)
}

// Fleet is the room's door. It is safe for concurrent use. Run must be running for hosts to be woken.
type Fleet struct {
	Config
	decoded  store.Decoded[Host]
	watchers watchers
	states   stateful
}

// New makes a fleet.
func New(c Config) *Fleet {
	if c.Life == 0 {
		c.Life = DefaultHostLife
	}
	return &Fleet{Config: c, watchers: watchers{waiting: map[string]map[chan struct{}]bool{}}, states: stateful{topics: map[string]*topic{}}}
}

// Host is a machine that speaks for a resource.
type Host struct {
	ID       string    `json:"id"`       // a GUID
	Resource string    `json:"resource"` // the ARM id
	TenantID string    `json:"tenant"`
	Made     int64     `json:"made"` // when the resource was made, in Unix nanoseconds: it tells the resource from a later one
	Admitted time.Time `json:"admitted"`
	Address  string    `json:"address,omitempty"` // from where
	Ends     time.Time `json:"ends"`              // of the newest certificate

	id arm.ID
}

// ResourceID is the parsed id of the host's resource.
func (h Host) ResourceID() arm.ID { return h.id }

// invitation is the right to become a host, as stored under the hash of its secret.
type invitation struct {
	Resource string    `json:"resource"`
	Made     int64     `json:"made"`
	Ends     time.Time `json:"ends"`

	id arm.ID
}

var hosts = store.Table[Host]{Kind: store.HostKind, Missing: ErrUnknown, Complete: func(kept store.Record, h *Host) (err error) {
	if h.id, err = arm.ParseID(h.Resource); err == nil && hostKey(h.id, h.ID) != kept.Key {
		err = fmt.Errorf("it is a host of %q, which has another key", h.Resource)
	}
	return err
}}

var invitations = store.Table[invitation]{Kind: store.InvitationKind, Missing: ErrInvitation, Complete: func(_ store.Record, inv *invitation) (err error) {
	inv.id, err = arm.ParseID(inv.Resource)
	return err
}}

func hostsOf(resource arm.ID) string { return store.HostKind.Keys + resource.Key() + "\x00" }

func hostKey(resource arm.ID, id string) string { return hostsOf(resource) + arm.Fold(id) }

// made tells a resource from others of its name.
func made(rec resource.Record) int64 { return rec.Created.UnixNano() }
