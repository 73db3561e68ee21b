// Package resource keeps what every ARM resource has in common, whichever provider it belongs to:
// subscriptions, resource groups, the record of a resource with its location and tags, lists in
// pages, the cascade that ends a group, and who uses which identity.
//
// A group is the parent record of all that lies in it. Whoever creates something in a group gets
// the group's record in the same transaction; deleting a group first marks that record Deleting.
// The store sees the two meet and runs one of them again, so nothing is ever created in a group
// that is going away. The cascade itself works in small transactions, survives a crash, and asks
// each type's Owner to end what belongs to it, such as an identity's service principal.
package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/retention"
	"midas/internal/seal"
	"midas/internal/store"
)

// The provisioning states that Midas uses.
const (
	Succeeded = "Succeeded"
	Deleting  = "Deleting"
)

// Record is one stored resource, resource group or subscription.
type Record struct {
	ID         string            `json:"id"` // the spelling of its creation
	Type       arm.Type          `json:"type"`
	Name       string            `json:"name"`
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	State      string            `json:"state"`
	TenantID   string            `json:"tenant"`
	Properties json.RawMessage   `json:"properties,omitempty"` // the provider's own
	Created    time.Time         `json:"created"`
	Changed    time.Time         `json:"changed"`

	// Extra are the further fields beside the properties: kind, sku, plan, zones, managedBy.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
	// Changes counts the writes of a resource that has an etag.
	Changes int `json:"changes,omitempty"`
	// Numbered counts the nested resources that got a number for a name, so that no number is given
	// twice.
	Numbered int `json:"numbered,omitempty"`
	// IdentityKeys is the number of store keys that the resource's identity uses; 0 without an identity.
	IdentityKeys int `json:"carried,omitempty"`

	// UserData is what programs on a virtual machine read from its metadata service, sealed; see
	// SetUserData.
	UserData []byte `json:"userData,omitempty"`

	// SecretRules numbers the rules by which the stored record has no secrets; 0 for rules before 2, and
	// for types whose properties are Midas's own.
	SecretRules int `json:"secretRules,omitempty"`

	// Revision is that of the stored record; 0 for one that has not been stored.
	Revision store.Revision `json:"-"`
	// Size is how many bytes the stored record has; 0 for one that has not been stored.
	Size int `json:"-"`
}

// Clone is a copy whose tags and further fields can be changed.
func (r Record) Clone() Record {
	r.Tags, r.Extra = maps.Clone(r.Tags), maps.Clone(r.Extra)
	return r
}

// Owner ends what belongs to a resource, in the transaction that deletes the record. The Owner of a
// type may use at most eight store operations, that of the identities as many as IdentityKeys says.
type Owner interface {
	Deleted(tx store.Tx, rec Record) error
}

// Scopes ends what hangs at scopes rather than in resources: role assignments. It works in
// transactions of its own and may be called again after a crash. It is called when the scope's
// record is marked as going away, so that CheckNotDeleting lets nothing new hang itself there.
type Scopes interface {
	DeleteScope(ctx context.Context, scope arm.ID) error
}

// Config is what a Service needs. All fields but Types, UserData and Ending must be set.
type Config struct {
	Log        *activity.Log
	Store      store.Store
	Now        func() time.Time
	NewID      func() string
	Owners     map[string]Owner // by folded type
	Identities Owner            // of the identities of resources of any type
	Scopes     Scopes
	// Workers carry out operations that are not deletions, by their kind.
	Workers map[string]Worker
	Logger  *slog.Logger
	// Retention tells whether operations that ended long ago may be forgotten; nil: always.
	Retention *retention.Guard
	// UserData seals the user data of virtual machines; nil stores none.
	UserData *seal.Sealer

	// Ending refuses the deletion of a resource or of a group, with an *arm.Error, in the transaction
	// that accepts it and before anything is written. What is accepted cannot be refused half-way. Nil
	// refuses nothing.
	Ending func(tx store.Tx, rec Record, id arm.ID) error

	// Types are spelled as errors name them; any other type is named as the caller has spelled it.
	Types []arm.Type
}

// Service is the room's door.
type Service struct {
	Config
	wake    chan struct{} // tells Run that a group waits for its end
	decoded store.Decoded[Record]
}

// New makes the service; Run must be running for groups to go away.
func New(c Config) *Service {
	return &Service{Config: c, wake: make(chan struct{}, 1)}
}

// records are subscriptions, groups and resources.
var records = store.Table[Record]{
	Kind:     store.ResourceKind,
	Complete: placed,
	Migrate:  []func(json.RawMessage) (json.RawMessage, error){dropSecrets},
}

// misplaced are the same records, whatever id they hold: for those who delete or look for such.
var misplaced = store.Table[Record]{Kind: records.Kind, Complete: clean, Migrate: records.Migrate}

// placed refuses a record whose id is not that of its key: whoever asked was allowed the one, and would
// be shown the other.
func placed(kept store.Record, rec *Record) error {
	rec.Revision, rec.Size = kept.Revision, len(kept.Value)
	if !arm.SameName(rec.ID, strings.TrimPrefix(kept.Key, store.ResourceKind.Keys)) {
		return fmt.Errorf("it holds the id %q, which has another key", rec.ID)
	}
	return clean(kept, rec)
}

// clean takes secrets out of a record that was written by rules that knew fewer of them. RemoveSecrets
// writes such records anew; until it has, and where a replica of an older version goes on writing, they
// are not shown.
func clean(_ store.Record, rec *Record) (err error) {
	if rec.SecretRules < secretRules {
		*rec, err = WithoutSecrets(*rec)
	}
	return err
}

// dropSecrets migrates records of version 1, which could hold secrets.
func dropSecrets(old json.RawMessage) (json.RawMessage, error) {
	var rec Record
	if err := json.Unmarshal(old, &rec); err != nil {
		return nil, err
	}
	rec, err := WithoutSecrets(rec)
	if err != nil {
		return nil, err
	}
	rec.SecretRules = secretRules
	return json.Marshal(rec)
}

func recordKey(id arm.ID) string { return store.ResourceKind.Keys + id.Key() }

// typeKey is where a record is listed by its type. The rest of the id begins after the group, so
// that names of nested resources cannot collide; for what stands in no group that is empty, which
// no group's name is.
func typeKey(id arm.ID) string {
	switch {
	case id.IsSubscription():
		return typePrefix(id.Type(), arm.ID{}) + arm.Fold(id.Name())
	case id.IsResourceGroup():
		return typePrefix(id.Type(), id.Parent()) + arm.Fold(id.Name())
	case id.ResourceGroup() == "":
		return typePrefix(id.Type(), id.SubscriptionScope()) + id.Key()[len(id.SubscriptionScope().Key()):]
	}
	return typePrefix(id.Type(), id.GroupScope()) + id.Key()[len(id.GroupScope().Key()):]
}

// typePrefix is how the list keys of a type below a scope begin:
// t/<type>/<subscription>/<group>/.
func typePrefix(typ arm.Type, scope arm.ID) string {
	prefix := store.TypeIndex.Keys + typ.Key() + "/"
	if subscription := scope.Subscription(); subscription != "" {
		prefix += arm.Fold(subscription) + "/"
	}
	if group := scope.ResourceGroup(); group != "" {
		prefix += arm.Fold(group) + "/"
	}
	return prefix
}

// Get reads a resource's record. What is missing is named as ARM names it: the group or the parent,
// where it is they that do not exist, else the resource.
func (s *Service) Get(tx store.Tx, id arm.ID) (Record, error) {
	rec, err := s.read(tx, recordKey(id))
	if !errors.Is(err, store.ErrNotFound) {
		return rec, err
	}
	switch {
	case id.IsSubscription():
		return Record{}, arm.ErrSubscriptionNotFound(id.Subscription())
	case id.IsResourceGroup():
		return Record{}, arm.ErrResourceGroupNotFound(id.Name())
	case id.ResourceGroup() != "":
		if _, err := s.read(tx, recordKey(id.GroupScope())); errors.Is(err, store.ErrNotFound) {
			return Record{}, arm.ErrResourceGroupNotFound(id.ResourceGroup())
		}
	}
	return Record{}, s.errMissing(tx, id)
}

// Lookup is Get for those who know what to do without the resource: then the error is
// store.ErrNotFound.
func (s *Service) Lookup(tx store.Tx, id arm.ID) (Record, error) { return s.read(tx, recordKey(id)) }

// errMissing names what is missing of a resource in a group that is there: itself, or the one in which
// it would be nested.
func (s *Service) errMissing(tx store.Tx, id arm.ID) error {
	typ, parent := s.registered(id.Type()), id.Parent()
	if isNested(typ, parent) {
		if _, err := s.read(tx, recordKey(parent)); errors.Is(err, store.ErrNotFound) {
			return arm.ErrParentNotFound("read", typ, parent)
		}
	}
	return arm.ErrResourceNotFound(id, typ)
}

func isNested(typ arm.Type, parent arm.ID) bool {
	return strings.HasPrefix(typ.Key(), parent.Type().Key()+"/")
}

// registered is a type as errors spell it.
func (s *Service) registered(typ arm.Type) arm.Type {
	if at := slices.IndexFunc(s.Types, typ.Is); at >= 0 {
		return s.Types[at]
	}
	return typ
}

// Find reads a record of a view of its own.
func (s *Service) Find(ctx context.Context, id arm.ID) (rec Record, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		rec, err = s.Get(tx, id)
		return err
	})
	return rec, err
}

// Parent reads the record of what a resource is created in, and thereby guards it: the group or
// subscription, the parent resource of a nested one, the resource that an extension extends. It
// refuses what is going away.
func (s *Service) Parent(tx store.Tx, id arm.ID) (Record, error) {
	container := id.GroupScope()
	if container.IsRoot() {
		container = id.SubscriptionScope()
	}
	rec, err := s.Get(tx, container)
	if err != nil {
		return Record{}, err
	}
	if rec.State == Deleting {
		return Record{}, errGroupDeleting(container)
	}
	parent := id.Parent()
	if parent.Key() == container.Key() {
		return rec, nil
	}
	rec, err = s.read(tx, recordKey(parent))
	if errors.Is(err, store.ErrNotFound) {
		return Record{}, arm.ErrParentNotFound("write", s.registered(id.Type()), parent)
	}
	if err == nil && rec.State == Deleting {
		return Record{}, ErrBeingDeleted(parent)
	}
	return rec, err
}

// CheckNotDeleting reads the record of a scope, and thereby guards it. It refuses scopes that do not exist or
// are going away; the root always lasts.
func (s *Service) CheckNotDeleting(tx store.Tx, scope arm.ID) error {
	if scope.IsRoot() {
		return nil
	}
	rec, err := s.Get(tx, scope)
	switch {
	case err != nil || rec.State != Deleting:
		return err
	case scope.IsResourceGroup():
		return errGroupDeleting(scope)
	}
	return ErrBeingDeleted(scope)
}

// CheckNotDeletingWithAncestors is CheckNotDeleting for a scope and all that it lies in: a group that is going away takes what
// is in it along.
func (s *Service) CheckNotDeletingWithAncestors(tx store.Tx, scope arm.ID) error {
	for up := range scope.Ancestors() {
		if err := s.CheckNotDeleting(tx, up); err != nil {
			return err
		}
	}
	return nil
}

// Put writes a record, without what WithoutSecrets takes out, and the key by which it is listed.
func (s *Service) Put(tx store.Tx, id arm.ID, rec Record) error {
	rec, err := WithoutSecrets(rec)
	if err != nil {
		return err
	}
	if rec.SecretRules = secretRules; madeHere(rec.Type) {
		rec.SecretRules = 0 // they are compared and listed most, and need not be longer
	}
	if err := records.Put(tx, recordKey(id), rec); err != nil {
		return err
	}
	tx.Put(typeKey(id), []byte(id.Key()))
	return nil
}

// Remove deletes a record and its list key, and lets the Owners end what belongs to it. The caller
// has got the record in this transaction.
func (s *Service) Remove(tx store.Tx, id arm.ID, rec Record) error {
	tx.Delete(recordKey(id))
	tx.Delete(typeKey(id))
	if rec.IdentityKeys > 0 {
		if err := s.Identities.Deleted(tx, rec); err != nil {
			return err
		}
	}
	if owner, owned := s.Owners[rec.Type.Key()]; owned {
		return owner.Deleted(tx, rec)
	}
	return nil
}

// read gives the record of a key. Its tags and properties are shared with everyone who reads it:
// they may be replaced, not modified.
func (s *Service) read(tx store.Tx, key string) (Record, error) {
	return records.GetShared(tx, key, &s.decoded)
}
