// Package rbac implements Azure's role-based access control: role definitions, role assignments, deny assignments
// and Decide.
//
// A role assignment gives a principal a role at a scope and at all scopes below it. A caller's rights at a
// scope are the union of all assignments to the caller and to the caller's groups, at the scope and at its
// ancestors; each gives the actions of its role without the role's not-actions. A deny assignment denies actions whatever
// roles the caller has; it never denies to remove deny assignments.
// Scopes are compared by the keys of their ids, segment by segment, so an assignment at rg1 does not apply to
// rg10.
//
// An assignment has three records, which are written and removed together: the assignment, whose key has the
// scope; an index entry, whose key has the principal, the scope and the role; and the name, which is unique in
// a tenant. Decide reads index entries, and the assignments themselves only for their conditions. The key of the
// index entry also prevents a second assignment of the same role to the same principal at the same scope. The count
// record of each subscription enforces the limit and protects the last Owner.
//
// What a caller was granted is computed once, with roles and compiled conditions, and kept by a store.Memo until a
// commit changes a record that it was computed from. So a decision reads memory only, and sees every change.
package rbac

import (
	"context"
	"hash/maphash"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// PrincipalSource looks up the principals of the directory.
type PrincipalSource interface {
	// PrincipalType returns User, Group or ServicePrincipal (also for a managed identity). The error wraps
	// store.ErrNotFound if the tenant has no principal with this object id.
	PrincipalType(ctx context.Context, tenant, objectID string) (string, error)
}

// Config has the dependencies of a Service. All fields but Above and Effective are required.
type Config struct {
	Store      store.Store
	Log        *activity.Log // of the same store
	Now        func() time.Time
	Principals PrincipalSource

	// Scope returns an *arm.Error if a scope does not exist or is being deleted. It reads the scope's own
	// record in the transaction that creates an assignment, or that removes assignments because the scope is
	// being deleted. Code that deletes a scope writes that record before it calls DeleteScope. So no
	// assignment outlives its scope, and a later scope of the same name neither inherits assignments nor
	// loses its own. The tenant tells apart the scopes outside of subscriptions, such as management groups.
	Scope func(tx store.Tx, tenant string, scope arm.ID) error

	// Above returns the management groups above a scope, nearest first: those above its subscription, or above
	// the management group that the scope is or lies below. Assignments at these groups apply at the scope. It
	// reads through tx. Without Above, no scope lies below a management group.
	Above func(tx store.Tx, tenant string, scope arm.ID) ([]arm.ID, error)

	// Effective returns the function that reports whether an assignment that was created at a time has an effect yet, or
	// nil if all have. Only a laboratory sets it. Nil: all assignments take effect at once.
	Effective func() func(created time.Time) bool
}

// Service manages role definitions and role assignments, and authorizes actions. It is safe for concurrent use.
type Service struct {
	Config
	roles roles

	byCaller store.Memo[*grants]     // by object id
	byBranch store.Memo[*grants]     // by tenant and principal, and by tenant, principal and scope
	denySets store.Decoded[*denySet] // by the count record of the tenant
	denyRows store.Decoded[*deny]
	seed     maphash.Seed // of the hashes of scopes
}

// New returns a Service. It decodes no role.
func New(c Config) *Service {
	s := &Service{Config: c}
	s.roles.embedded = newLibrary(builtinText, nil)
	s.byCaller = store.Memo[*grants]{Name: "grants of a caller", Size: (*grants).size}
	s.byBranch = store.Memo[*grants]{Name: "grants of a principal", Size: (*grants).wholeSize}
	s.seed = maphash.MakeSeed()
	return s
}
