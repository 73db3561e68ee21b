package explain

import (
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/lock"
	"midas/internal/rbac"
	"midas/internal/resource"
	"midas/internal/store"
	"midas/internal/subscription"
)

// Service answers questions. All fields are required.
type Service struct {
	RBAC      *rbac.Service
	Directory *directory.Directory
	Locks     *lock.Service
	Resources *resource.Service
}

// The rights that a caller needs at a scope to ask about another principal there.
const (
	readAssignments = "Microsoft.Authorization/roleAssignments/read"
	readDefinitions = "Microsoft.Authorization/roleDefinitions/read"

	writeAssignments = "Microsoft.Authorization/roleAssignments/write"
)

// MayAsk returns the action that the asker lacks to ask the question; empty if it may ask. About oneself,
// everyone may ask.
func (s *Service) MayAsk(tx store.Tx, q Question) (lacks string, err error) {
	if q.self() {
		return "", nil
	}
	for _, action := range []string{readAssignments, readDefinitions} {
		allowed, err := s.RBAC.Authorize(tx, q.Asker, arm.Fold(action), q.Scope)
		if err != nil || !allowed {
			return action, err
		}
	}
	return "", nil
}

// Explain answers a question that the asker may ask.
func (s *Service) Explain(tx store.Tx, q Question) (Answer, error) {
	a, err := s.explain(tx, &q)
	if err != nil {
		return Answer{}, fmt.Errorf("explain %s for %s at %s: %w", q.Action, q.Principal, q.Scope, err)
	}
	return a, nil
}

func (s *Service) explain(tx store.Tx, q *Question) (a Answer, err error) {
	readsDirectory, err := s.readsDirectory(tx, q)
	if err != nil {
		return Answer{}, err
	}
	knowsPrincipals, err := s.knowsPrincipals(tx, q)
	if err != nil {
		return Answer{}, err
	}
	tenant := q.Asker.TenantID
	if a.Principal, err = s.principal(tx, tenant, q.Principal); err != nil {
		return Answer{}, err
	}
	members, err := s.memberships(tx, tenant, a.Principal.ID)
	if err != nil {
		return Answer{}, err
	}
	caller := rbac.Caller{TenantID: tenant, ObjectID: a.Principal.ID, Groups: members.groups}
	access := rbac.Access{Caller: caller, Action: arm.Fold(q.Action), Data: q.Data, Scope: q.Scope, Attributes: q.Attributes}
	if a.Explanation, err = s.RBAC.Explain(tx, access); err != nil {
		return Answer{}, err
	}
	if a.DenyName, err = s.denyName(tx, tenant, a.Explanation.Deny); err != nil {
		return Answer{}, err
	}
	if err := s.hideNearMisses(tx, q, &a.Explanation); err != nil {
		return Answer{}, err
	}
	a.Principal.Groups = len(members.groups)
	if a.Paths, err = s.paths(tx, tenant, members, a.Explanation); err != nil {
		return Answer{}, err
	}
	if err := s.conclude(tx, q, &a, access, knowsPrincipals); err != nil {
		return Answer{}, err
	}
	if !readsDirectory {
		a.hideDirectory(knowsPrincipals)
	}
	hints, err := s.hints(tx, q, access, &a)
	a.Reasons = append(a.Reasons, hints...)
	return a, err
}

// conclude decides the answer and says why: first the principal, then RBAC, then what else refuses.
func (s *Service) conclude(tx store.Tx, q *Question, a *Answer, access rbac.Access, knowsPrincipals bool) error {
	allowed, err := s.allowedByRBAC(tx, q, a, access.Caller)
	if err != nil {
		return err
	}
	var cancelled []string
	if allowed { // else the asker learns nothing of the scope
		if a.Locks, err = s.Locks.Forbidding(tx, q.Lock, q.Scope); err != nil {
			return err
		}
		if cancelled, err = s.cancelled(tx, q); err != nil {
			return err
		}
	}
	a.Allowed = allowed && len(a.Locks) == 0 && len(cancelled) == 0 && a.Principal.State == Enabled
	if allowed || knowsPrincipals { // else the asker learns nothing of the principal
		a.Reasons = a.Principal.reasons()
	}
	a.Reasons = slices.Concat(a.Reasons, cancelled, a.reasonsOfLocks(), a.reasonsOfRBAC(q, allowed))
	if !allowed && (a.Principal.State != Absent || !knowsPrincipals) {
		a.Suggestion, err = s.suggest(tx, access, a)
	}
	return err
}

// cancelled says that the subscription takes no writes, if the question is about one.
func (s *Service) cancelled(tx store.Tx, q *Question) ([]string, error) {
	if !q.Writes || q.Scope.Subscription() == "" {
		return nil, nil
	}
	rec, err := s.Resources.Subscription(tx, q.Scope)
	if err != nil || !subscription.IsReadOnly(rec.State) {
		return nil, err
	}
	return []string{fmt.Sprintf("The subscription is cancelled (its state is %s), so it takes no writes.", rec.State)}, nil
}

// allowedByRBAC is the decision of RBAC, or what Azure Resource Manager allows to everyone with a role.
func (s *Service) allowedByRBAC(tx store.Tx, q *Question, a *Answer, caller rbac.Caller) (bool, error) {
	if q.AnyRole {
		return s.RBAC.Visible(tx, caller, q.Scope.SubscriptionScope())
	}
	return a.Explanation.Effect == rbac.Allowed, nil
}

// principal looks the principal up.
func (s *Service) principal(tx store.Tx, tenant, id string) (Principal, error) {
	p := Principal{ID: arm.Fold(id), State: Absent}
	kind, err := s.Directory.ObjectType(tx, tenant, p.ID)
	if errors.Is(err, directory.ErrNotFound) || err == nil && kind == directory.ObjectApplication {
		return p, nil
	}
	if err != nil {
		return Principal{}, err
	}
	p.Type, p.State = kind, Enabled
	if p.Name, err = s.name(tx, tenant, kind, p.ID); err != nil {
		return Principal{}, err
	}
	if kind == directory.ObjectGroup {
		return p, nil
	}
	status, err := s.Directory.TokenStatus(tx, tenant, p.ID)
	if err == nil && !status.Enabled {
		p.State = Disabled
	}
	return p, err
}

// name returns the display name of an object.
func (s *Service) name(tx store.Tx, tenant, kind, id string) (string, error) {
	switch kind {
	case directory.ObjectUser:
		u, err := s.Directory.User(tx, tenant, id)
		return u.UserPrincipalName, err
	case directory.ObjectGroup:
		g, err := s.Directory.Group(tx, tenant, id)
		return g.DisplayName, err
	}
	p, err := s.Directory.ServicePrincipal(tx, tenant, id)
	return p.DisplayName, err
}
