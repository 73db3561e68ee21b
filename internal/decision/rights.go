package decision

import (
	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// rights decide the actions of one question. What applies at its resource is found once.
type rights struct {
	decider *Decider
	tx      store.Tx
	subject *subject
	scope   arm.ID

	everywhere *rbac.Rights // with all groups of the subject
	granted    *rbac.Rights // without the groups that do not count for role assignments
}

// decide answers for one action, which is folded. It first decides with all groups of the subject, so that a deny
// assignment to any of them applies. If that allows the action by a group that does not count for role assignments, it
// decides again without such groups.
func (r *rights) decide(action string, into *Decision) (err error) {
	access := rbac.Access{
		Action: action, Data: into.Action.Data, SubOperation: into.Action.subOperation, Attributes: into.Action.attributes,
	}
	who := r.subject
	if into.Decision, err = r.ask(&r.everywhere, who.everywhere.Groups, access); err != nil || into.Effect != rbac.Allowed {
		return err
	}
	if !who.granted(into.Assignment.Principal) {
		if into.Decision, err = r.ask(&r.granted, who.groups, access); err != nil || into.Effect != rbac.Allowed {
			return err
		}
	}
	if into.PrincipalType = who.typ; into.Assignment.Principal != who.everywhere.ObjectID {
		into.PrincipalType = "Group"
	}
	return nil
}

// ask decides with the subject in some groups, whose rights it finds if they are nil.
func (r *rights) ask(found **rbac.Rights, groups []string, a rbac.Access) (rbac.Decision, error) {
	if *found == nil {
		caller := r.subject.everywhere
		caller.Groups = groups
		var err error
		if *found, err = r.decider.RBAC.RightsAt(r.tx, caller, r.scope); err != nil {
			return rbac.Decision{}, err
		}
	}
	return (*found).Decide(a)
}
