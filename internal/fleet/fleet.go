// Package fleet manages hosts: the machines that may act for a resource.
//
// A caller with the right Midas.Hosts/hosts/enroll/action creates an enrollment token, which is a secret
// for one host of one resource and expires after 15 minutes. The host sends the token with a certificate
// request and is enrolled: it gets a certificate for some days, which it renews, and a record in the store.
// A certificate is accepted as long as the record exists and the resource is the one for which the host was
// enrolled. A later resource of the same name does not count. Revoking a host deletes its record; deleting
// the resource revokes its hosts.
//
// The identities of a host can change at any time. Fleet follows the changes of the store and wakes the
// hosts that a change concerns.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/host"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/retention"
	"midas/internal/store"
)

// Type is the ARM type of hosts, which are extension resources of the resources that they act for. The
// namespace is not one of Microsoft's.
const Type arm.Type = "Midas.Hosts/hosts"

const (
	EnrollmentTokenLifetime    = 15 * time.Minute   // of an enrollment token
	DefaultCertificateLifetime = 7 * 24 * time.Hour // of a host's certificate; hosts renew it after half of this time
)

// The reasons for which a host is refused. Use errors.Is to distinguish them.
var (
	ErrLocked          = errors.New("a lock forbids to add a host to the resource")
	ErrEnrollmentToken = errors.New("the enrollment token is unknown, used or expired")
	ErrUnknown         = errors.New("the host is unknown or revoked")
	ErrRequest         = errors.New("the certificate request is invalid")
)

// Authority issues the certificates of hosts.
type Authority interface {
	// Certify issues a certificate, in PEM, for the key of a certificate request. The error wraps
	// localca.ErrRequest if the request is invalid.
	Certify(request []byte, name string, subject *url.URL, end time.Time) ([]byte, error)
}

// Identities finds the identities that the workloads on a resource may use.
type Identities interface {
	ResourceIdentity(ctx context.Context, id arm.ID) (identity.ManagedServiceIdentity, error)
	Workload(ctx context.Context, id arm.ID, sel host.Selector) (host.Principal, error)
}

// Config is what a Fleet needs. All fields are required, except CertificateLifetime (0 means DefaultCertificateLifetime) and Retention.
type Config struct {
	Store               store.Store
	Log                 *activity.Log
	Resources           *resource.Service
	Identities          Identities
	Authority           Authority
	Logger              *slog.Logger
	Now                 func() time.Time
	NewID               func() string
	CertificateLifetime time.Duration
	Retention           *retention.Guard // reports whether expired records may be deleted; nil: always

	// UserData adds the sealed user data of a machine to its properties. Programs on the machine may read
	// them.
	UserData func(resource.Record) (resource.Record, error)

	// Head returns the newest revision that Store.Recent shows, in a store that other processes write too. Nil: only
	// this one does.
	Head func() store.Revision

	// Locked returns an error if a lock forbids to add a host to a resource. Nil: there are no locks.
	Locked func(tx store.Tx, resource arm.ID) error
}

// Fleet manages hosts. It is safe for concurrent use. Hosts are woken only while Run is running.
type Fleet struct {
	Config
	decoded  store.Decoded[Host]
	watchers watchers
	states   stateful
}

// New returns a Fleet.
func New(c Config) *Fleet {
	if c.CertificateLifetime == 0 {
		c.CertificateLifetime = DefaultCertificateLifetime
	}
	return &Fleet{Config: c, watchers: watchers{waiting: map[string]map[chan struct{}]bool{}}, states: stateful{topics: map[string]*topic{}}}
}

// Host is a machine that acts for a resource.
type Host struct {
	ID       string    `json:"id"`       // a GUID
	Resource string    `json:"resource"` // the ARM id
	TenantID string    `json:"tenant"`
	Made     int64     `json:"made"` // creation time of the resource, in Unix nanoseconds: distinguishes it from a later one of the same name
	Enrolled time.Time `json:"admitted"`
	Address  string    `json:"address,omitempty"` // the client address of the enrollment
	Ends     time.Time `json:"ends"`              // end of the newest certificate

	id arm.ID
}

// ResourceID is the parsed id of the host's resource.
func (h Host) ResourceID() arm.ID { return h.id }

// enrollmentToken is a stored enrollment token. Its key has the hash of the secret.
type enrollmentToken struct {
	Resource string    `json:"resource"`
	Made     int64     `json:"made"`
	Ends     time.Time `json:"ends"`
	Own      bool      `json:"own,omitempty"` // for an agent of the server's own process, which locks do not stop

	// Used says which host has used the token. Ends is then the time of the use, so that a Midas without this member
	// refuses the token.
	Used *tokenUse `json:"used,omitempty"`

	id arm.ID
}

// tokenUse lets a host repeat its enrollment, whose answer it may not have received.
type tokenUse struct {
	Host  string    `json:"host"`  // its id
	Key   string    `json:"key"`   // the SHA-256 of its public key, in hexadecimal digits
	Until time.Time `json:"until"` // the end of the token
}

// until is the time from which nobody can use the token any more.
func (t enrollmentToken) until() time.Time {
	if t.Used != nil {
		return t.Used.Until
	}
	return t.Ends
}

var hosts = store.Table[Host]{Kind: store.HostKind, Missing: ErrUnknown, Complete: func(kept store.Record, h *Host) (err error) {
	if h.id, err = arm.ParseID(h.Resource); err == nil && hostKey(h.id, h.ID) != kept.Key {
		err = fmt.Errorf("it is a host of %q, which has another key", h.Resource)
	}
	return err
}}

var enrollmentTokens = store.Table[enrollmentToken]{Kind: store.EnrollmentTokenKind, Missing: ErrEnrollmentToken, Complete: func(_ store.Record, t *enrollmentToken) (err error) {
	t.id, err = arm.ParseID(t.Resource)
	return err
}}

func hostsOf(resource arm.ID) string { return store.HostKind.Keys + resource.Key() + "\x00" }

// changedHost reports whether a changed key of the store is that of a host, and returns the key of its
// resource.
func changedHost(key string) (resourceKey string, changed bool) {
	if !store.HostKind.Holds(key) {
		return "", false
	}
	resourceKey, _, _ = strings.Cut(strings.TrimPrefix(key, store.HostKind.Keys), "\x00")
	return resourceKey, true
}

func hostKey(resource arm.ID, id string) string { return hostsOf(resource) + arm.Fold(id) }

// made is the creation time of a resource in Unix nanoseconds, which distinguishes it from others of its name.
func made(rec resource.Record) int64 { return rec.Created.UnixNano() }
