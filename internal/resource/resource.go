// Package resource implements what all ARM resources have in common: subscriptions, resource groups, records
// with a location and tags, lists in pages, the deletion of a group with its content, and the associations of
// identities with the resources that use them.
//
// A create in a group gets the group's record in the same transaction, and the deletion of a group first marks
// that record as Deleting. The store detects the conflict of the two and runs one of them again, so nothing is
// ever created in a group that is being deleted. The deletion of the content works in small transactions and
// continues after a crash. It calls each type's Owner to delete what belongs to a resource, such as an
// identity's service principal.
package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
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
	ID         string            `json:"id"` // as spelled when it was created
	Type       arm.Type          `json:"type"`
	Name       string            `json:"name"`
	Location   string            `json:"location,omitempty"`
	Tags       map[string]string `json:"tags,omitzero"` // nil if the client has given none; empty is kept
	State      string            `json:"state"`
	TenantID   string            `json:"tenant"`
	Properties json.RawMessage   `json:"properties,omitempty"` // of the provider
	Created    time.Time         `json:"created"`
	Changed    time.Time         `json:"changed"`

	// Extra are the further fields beside the properties: kind, sku, plan, zones, managedBy.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
	// Changes counts the writes of a resource that has an etag.
	Changes int `json:"changes,omitempty"`
	// Numbered counts the nested resources whose name is a number, so that no number is used twice.
	Numbered int `json:"numbered,omitempty"`
	// Inherited are the names of the tags that a machine of a scale set has from its set, sorted. In records of
	// older versions of Midas it is nil, and all tags are from the set.
	Inherited []string `json:"inherited,omitzero"`
	// IdentityKeys is the number of store keys that the resource's identity uses; 0 without an identity.
	IdentityKeys int `json:"carried,omitempty"`
	// NoIdentity is whether the last request about the resource's identity has set its type to None. Some
	// providers show this.
	NoIdentity bool `json:"noIdentity,omitempty"`

	// Unregistered are the folded namespaces of the providers that are not registered in a subscription. All
	// others are.
	Unregistered []string `json:"unregistered,omitempty"`

	// UserData is the sealed user data of a virtual machine, which programs on the machine read from its
	// metadata service; see SetUserData.
	UserData []byte `json:"userData,omitempty"`

	// SecretRules is the version of the rules by which secrets were removed from the stored record. It is 0
	// for rules before 2, and for types whose properties Midas defines.
	SecretRules int `json:"secretRules,omitempty"`

	// Revision is the revision of the stored record; 0 if it has not been stored.
	Revision store.Revision `json:"-"`
	// Size is the size of the stored record in bytes; 0 if it has not been stored.
	Size int `json:"-"`
}

// Clone returns a copy whose Tags and Extra can be changed.
func (r Record) Clone() Record {
	r.Tags, r.Extra = maps.Clone(r.Tags), maps.Clone(r.Extra)
	return r
}

// Owner deletes what belongs to a resource, in the transaction that deletes its record. The Owner of a type
// may use at most eight store operations, and that of identities the number in IdentityKeys.
type Owner interface {
	Deleted(tx store.Tx, rec Record) error
}

// Scopes deletes the role assignments at a scope and below it. It works in transactions of its own and may be
// called again after a crash. It is called while the scope's record is marked as Deleting, so that
// CheckNotDeleting refuses new role assignments.
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
	Identities Owner            // for the identities of resources of any type
	Scopes     Scopes
	// Workers carry out operations that are not deletions. The key is the kind.
	Workers map[string]Worker
	Logger  *slog.Logger
	// Retention decides whether operations that ended long ago may be deleted. Nil allows it always.
	Retention *retention.Guard
	// UserData seals the user data of virtual machines. If it is nil, user data are not stored.
	UserData *seal.Sealer

	// Ending returns an *arm.Error if a resource or a group may not be deleted. It is called in the
	// transaction that accepts the deletion, before anything is written, because an accepted deletion
	// cannot be refused later. Nil allows every deletion.
	Ending func(tx store.Tx, rec Record, id arm.ID) error

	// Types gives the spelling of types in errors. Other types are spelled as in the request.
	Types []arm.Type
}

// Service manages subscriptions, resource groups and resources.
type Service struct {
	Config
	wake    chan struct{} // tells Run that an operation was stored
	decoded store.Decoded[Record]
}

// New returns a Service. Groups are only deleted while its Run is running.
func New(c Config) *Service {
	return &Service{Config: c, wake: make(chan struct{}, 1)}
}

// records has the subscriptions, groups and resources.
var records = store.Table[Record]{
	Kind:     store.ResourceKind,
	Complete: placed,
	Migrate:  []func(json.RawMessage) (json.RawMessage, error){dropSecrets},
}

// misplaced is like records, but also reads a record whose id is not that of its key. It is used to delete and
// to find such records.
var misplaced = store.Table[Record]{Kind: records.Kind, Complete: clean, Migrate: records.Migrate}

// placed returns an error for a record whose id is not that of its key. The caller was authorized for the
// resource of the key, and would see another one.
func placed(kept store.Record, rec *Record) error {
	rec.Revision, rec.Size = kept.Revision, len(kept.Value)
	if !arm.SameName(rec.ID, strings.TrimPrefix(kept.Key, store.ResourceKind.Keys)) {
		return fmt.Errorf("it holds the id %q, which has another key", rec.ID)
	}
	return clean(kept, rec)
}

// clean removes secrets from a record that was written by older rules, which recognised fewer secrets. It is
// needed until RemoveSecrets has stored such records without them, and while a replica of an older version
// writes records.
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

// typeKey is the list key of a record. It ends with the part of the id after the group, so that the keys of
// nested resources are distinct. Outside of groups it ends with the part after the subscription, which begins
// with a slash, so that it has an empty group, and no group has an empty name.
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

// typePrefix is the prefix of the list keys of a type below a scope: t/<type>/<subscription>/<group>/.
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

// Get reads a resource's record. If there is none, it returns ARM's error for the outermost of group, parent
// and resource that does not exist.
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

// Lookup is like Get, but returns store.ErrNotFound if the resource does not exist.
func (s *Service) Lookup(tx store.Tx, id arm.ID) (Record, error) { return s.read(tx, recordKey(id)) }

// PresumeNew says that a resource most probably does not exist, because a PUT names it. See store.PresumeAbsent.
func (s *Service) PresumeNew(tx store.Tx, id arm.ID) { store.PresumeAbsent(tx, recordKey(id)) }

// errMissing returns ARM's error for a missing resource in an existing group. It names the outermost of the
// resource's parents that does not exist, otherwise the resource. ARM knows the parent and passes requests for
// the rest to the provider, so the error of the parent comes first.
func (s *Service) errMissing(tx store.Tx, id arm.ID) error {
	missing := id
	for parent := id.Parent(); isNested(missing.Type(), parent); parent = parent.Parent() {
		if _, err := s.read(tx, recordKey(parent)); !errors.Is(err, store.ErrNotFound) {
			break
		}
		missing = parent
	}
	return arm.ErrResourceNotFound(missing, s.registered(missing.Type()))
}

func isNested(typ arm.Type, parent arm.ID) bool {
	return strings.HasPrefix(typ.Key(), parent.Type().Key()+"/")
}

// Find is like Get, in a view of its own.
func (s *Service) Find(ctx context.Context, id arm.ID) (rec Record, err error) {
	err = s.Store.View(ctx, func(tx store.Tx) error {
		rec, err = s.Get(tx, id)
		return err
	})
	return rec, err
}

// Parent reads the record in which a resource is created: its group or subscription, the parent resource of a
// nested one, or the resource that an extension extends. The read makes the transaction conflict with a
// deletion of that record. Parent returns an error if the record does not exist or is marked as Deleting.
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

// CheckNotDeleting returns an error if a scope does not exist or is marked as Deleting. It reads the scope's
// record, which makes the transaction conflict with a deletion of the scope. The root always passes.
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

// CheckNotDeletingWithAncestors is CheckNotDeleting for a scope and each of its ancestors, because the deletion
// of a group deletes the resources in it too.
func (s *Service) CheckNotDeletingWithAncestors(tx store.Tx, scope arm.ID) error {
	for up := range scope.Ancestors() {
		if err := s.CheckNotDeleting(tx, up); err != nil {
			return err
		}
	}
	return nil
}

// Put writes a record without its secrets (see WithoutSecrets), and its list key.
func (s *Service) Put(tx store.Tx, id arm.ID, rec Record) error {
	rec, err := WithoutSecrets(rec)
	if err != nil {
		return err
	}
	if rec.SecretRules = secretRules; madeHere(rec.Type) {
		rec.SecretRules = 0 // these records have no secrets; the field would only make them longer
	}
	if err := records.Put(tx, recordKey(id), rec); err != nil {
		return err
	}
	tx.Put(typeKey(id), []byte(id.Key()))
	return nil
}

// Remove deletes a record and its list key, and calls the Owners to delete what belongs to it. The caller
// must have read the record in this transaction.
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

// read returns the record of a key. All callers share its tags and properties, so these may be replaced but
// not modified.
func (s *Service) read(tx store.Tx, key string) (Record, error) {
	return records.GetShared(tx, key, &s.decoded)
}
