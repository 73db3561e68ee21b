package rolelint

import (
	"slices"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/rbac"
)

// way is an action on a resource with which its holder can act as the identity of that resource.
type way struct {
	action, does string
}

// waysOfIdentities are the ways to become a user-assigned identity. Each needs rights on the identity itself.
func waysOfIdentities() []way {
	return []way{
		{"microsoft.managedidentity/userassignedidentities/federatedidentitycredentials/write", "can add a federated credential to"},
		{"microsoft.managedidentity/userassignedidentities/assign/action", "can attach to a machine"},
	}
}

// waysOfMachines are the ways to act as the identity of a machine.
func waysOfMachines() []way {
	return []way{
		{"microsoft.compute/virtualmachines/write", "can change the machine that has"},
		{"microsoft.compute/virtualmachines/runcommand/action", "can run commands on the machine that has"},
		{"microsoft.compute/virtualmachines/extensions/write", "can run extensions on the machine that has"},
		{"midas.hosts/hosts/enroll/action", "can enroll a host as the machine that has"},
	}
}

func isDangerous(role rbac.Examined) bool {
	return slices.ContainsFunc(slices.Concat(waysOfIdentities(), waysOfMachines()), func(w way) bool { return role.Allows(w.action) })
}

// waysToBecome reports who can act as an identity and so gets an assignment that it does not have itself.
func (r *run) waysToBecome(as held) error {
	ways := waysOfMachines()
	if as.resource.Type().Is(identity.Type) {
		ways = waysOfIdentities()
	}
	for _, h := range r.holders {
		if r.pairs++; r.pairs > maxPairs {
			r.more = true
			return nil
		}
		if !arm.SameName(h.TenantID, as.TenantID) || arm.SameName(h.PrincipalID, as.PrincipalID) {
			continue
		}
		i := slices.IndexFunc(ways, func(w way) bool { return h.role.Allows(w.action) })
		if i < 0 {
			continue
		}
		reaches, err := r.RBAC.Reaches(r.tx, h.Assignment, as.resource)
		if err != nil {
			return err
		}
		if !reaches {
			continue
		}
		has, err := r.has(h.PrincipalID, as)
		if err != nil {
			return err
		}
		if !has {
			if err := r.finds(Warning, "becomes-identity", h.Assignment, "The principal %s %s the identity %s, which has the role %s at %s.",
				h.PrincipalID, ways[i].does, as.resource, as.role.RoleName, as.Scope); err != nil {
				return err
			}
		}
	}
	return nil
}

// has reports whether a principal with a dangerous role has the rights of another assignment by one of its own.
func (r *run) has(principal string, wanted held) (bool, error) {
	scope, err := arm.ParseID(wanted.Scope)
	if err != nil {
		return false, nil
	}
	for _, h := range r.holders {
		if !arm.SameName(h.PrincipalID, principal) || h.Condition != nil || !h.role.Covers(wanted.role) {
			continue
		}
		if reaches, err := r.RBAC.Reaches(r.tx, h.Assignment, scope); err != nil || reaches {
			return reaches, err
		}
	}
	return false, nil
}
