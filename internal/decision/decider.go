package decision

import (
	"errors"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/rbac"
	"midas/internal/store"
)

// The actions of which a caller needs one at a resource to ask about it. Azure's catalogue has the first. The
// second is what reading role assignments needs, and what roles for this purpose have in Azure: their only action
// is Microsoft.Authorization/*/read.
const (
	ActionCheckAccess     = "Microsoft.Authorization/checkAccess/action"
	ActionReadAssignments = "Microsoft.Authorization/roleAssignments/read"
)

// Decider answers questions. It is safe for concurrent use.
type Decider struct {
	RBAC      *rbac.Service
	Directory *directory.Directory
}

// Decision is the answer for one action.
type Decision struct {
	rbac.Decision
	Action Action
	// PrincipalType is User, ServicePrincipal or Group: the type of the principal whose role assignment allows the
	// action.
	PrincipalType string
}

// MayAsk reports whether a caller may ask about a scope. The code that calls it must have checked that the
// subscription of the scope belongs to the caller's tenant.
func (d *Decider) MayAsk(tx store.Tx, caller rbac.Caller, scope arm.ID) (bool, error) {
	for _, action := range []string{ActionCheckAccess, ActionReadAssignments} {
		if allowed, err := d.RBAC.Authorize(tx, caller, arm.Fold(action), scope); err != nil || allowed {
			return allowed, err
		}
	}
	return false, nil
}

// Decide answers a question in the order of its actions. The tenant is that of the resource and of the one who asks.
// A subject of another tenant is an *Error.
func (d *Decider) Decide(tx store.Tx, tenant string, q *Question) ([]Decision, error) {
	if q.tenant != "" && !arm.SameName(q.tenant, tenant) {
		return nil, errorf("The subject is of the tenant '%s'. Only subjects of the tenant '%s' can be decided about.", q.tenant, tenant)
	}
	who, err := d.subject(tx, tenant, q)
	if err != nil {
		return nil, fmt.Errorf("look up the subject %s: %w", q.ObjectID, err)
	}
	rights := rights{decider: d, tx: tx, subject: &who, scope: q.Resource}
	decisions := make([]Decision, len(q.Actions))
	for i := range q.Actions {
		decisions[i].Action = q.Actions[i]
		folded := arm.Fold(q.Actions[i].Name)
		decisions[i].Action.Data = q.Actions[i].Data || isKubernetes(folded)
		if !who.known {
			continue
		}
		if err := rights.decide(folded, &decisions[i]); err != nil {
			return nil, err
		}
	}
	return decisions, nil
}

// subject looks a subject up. Of the groups that the question names, those count that exist in the tenant. A subject in
// more groups than the directory can list counts as unknown, because a deny assignment might apply to one of them.
func (d *Decider) subject(tx store.Tx, tenant string, q *Question) (s subject, err error) {
	status, err := d.Directory.TokenStatus(tx, tenant, q.ObjectID)
	if errors.Is(err, directory.ErrNotFound) || err == nil && !status.Enabled {
		return subject{}, nil
	}
	if err != nil {
		return subject{}, err
	}
	members, err := d.Directory.GroupsOf(tx, tenant, q.ObjectID)
	if errors.Is(err, directory.ErrTooManyGroups) {
		return subject{}, nil
	}
	if err != nil {
		return subject{}, err
	}
	if s = (subject{known: true, typ: "ServicePrincipal"}); status.User {
		s.typ = "User"
	}
	if q.Expand {
		s.groups = slices.Clone(members)
	}
	for _, group := range q.Groups {
		exists := slices.Contains(members, group)
		if !exists {
			if exists, err = d.isGroup(tx, tenant, group); err != nil {
				return subject{}, err
			}
		}
		if exists && !slices.Contains(s.groups, group) {
			s.groups = append(s.groups, group)
		}
	}
	all := slices.Clone(s.groups)
	for _, group := range members {
		if !slices.Contains(all, group) {
			all = append(all, group)
		}
	}
	s.everywhere = rbac.Caller{TenantID: tenant, ObjectID: q.ObjectID, Groups: all}
	return s, nil
}

func (d *Decider) isGroup(tx store.Tx, tenant, id string) (bool, error) {
	_, err := d.Directory.Group(tx, tenant, id)
	if errors.Is(err, directory.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
