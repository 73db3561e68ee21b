// Package rbac decides who may do what: role definitions, role assignments and Authorize.
//
// A role assignment gives a principal a role at a scope, and with it at everything below. What a
// caller may do at a scope is the union over all assignments to it, or to a group it is in, at the
// scope and its ancestors; each gives the actions of its role less the role's not-actions. There are
// no deny assignments. Scopes are compared by the keys of their ids, segment by segment, so an
// assignment at rg1 says nothing about rg10.
//
// An assignment is three records, written and removed together: the assignment itself under its
// scope, an index entry under its principal, which is all that Authorize reads, and its name, which is
// unique in a tenant. The key of the index entry has principal, scope and role, so it also guards that there
// is one assignment for the three. Each subscription has a count record that
// holds the limit and keeps its last Owner.
package rbac

import (
	"context"
	"time"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/store"
)

// PrincipalSource knows the directory's principals.
type PrincipalSource interface {
	// PrincipalType gives User, Group or ServicePrincipal (which a managed identity is, too). For an
	// object id that the tenant does not have, errors.Is(err, store.ErrNotFound) holds.
	PrincipalType(ctx context.Context, tenant, objectID string) (string, error)
}

// Config holds what a Service needs; all of it is obligatory.
type Config struct {
	Store      store.Store
	Log        *activity.Log // of the same store
	Now        func() time.Time
	Principals PrincipalSource

	// Scope refuses what does not exist or is going away, with an *arm.Error. It reads the scope's own
	// record in the transaction that makes an assignment there, or that removes assignments because
	// the scope ends. Whoever ends a scope writes that record before DeleteScope is called, so no
	// assignment outlives its scope, and a later scope of the same name neither inherits one nor
	// loses its own.
	Scope func(tx store.Tx, scope arm.ID) error
}

// Service answers and changes who may do what. It is safe for concurrent use.
type Service struct {
	Config
	roles map[string]*role // by folded guid; never changed
}

// New makes a Service and compiles the built-in roles for it.
func New(c Config) *Service {
	s := &Service{Config: c, roles: make(map[string]*role)}
	for _, d := range Definitions() {
		s.roles[d.ID] = compileRole(d)
	}
	return s
}
