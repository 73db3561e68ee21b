package rolelint

import (
	"slices"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/rbac"
	"midas/internal/resource"
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

// waysOfResources are the ways to act as the identity of a resource, by the folded type of the resource: to run a
// program on it. Every other type has that of writing to it.
func waysOfResources() map[string][]way {
	const machine, set = "microsoft.compute/virtualmachines", "microsoft.compute/virtualmachinescalesets"
	return map[string][]way{
		machine: {
			{machine + "/write", "can change the machine that has"},
			{machine + "/runcommand/action", "can run commands on the machine that has"},
			{machine + "/runcommands/write", "can run commands on the machine that has"},
			{machine + "/extensions/write", "can run extensions on the machine that has"},
		},
		set: {
			{set + "/write", "can change the scale set that has"},
			{set + "/virtualmachines/runcommand/action", "can run commands on the scale set that has"},
			{set + "/virtualmachines/runcommands/write", "can run commands on the scale set that has"},
			{set + "/extensions/write", "can run extensions on the scale set that has"},
		},
		"microsoft.web/sites":                         waysOfType("microsoft.web/sites"),
		"microsoft.app/containerapps":                 waysOfType("microsoft.app/containerapps"),
		"microsoft.containerinstance/containergroups": waysOfType("microsoft.containerinstance/containergroups"),
	}
}

func waysOfType(folded string) []way {
	return []way{{folded + "/write", "can change the resource that has"}}
}

// enroll is a way to act as the identity of any resource.
var enroll = way{"midas.hosts/hosts/enroll/action", "can enroll a host as the resource that has"}

// waysOf returns the ways to act as the identities of a resource.
func waysOf(typ arm.Type) []way {
	ways, found := waysOfResources()[typ.Key()]
	if !found {
		ways = waysOfType(typ.Key())
	}
	return append(ways, enroll)
}

func isDangerous(role rbac.Examined) bool {
	allowed := func(w way) bool { return role.Allows(w.action) }
	for _, ways := range waysOfResources() {
		if slices.ContainsFunc(ways, allowed) {
			return true
		}
	}
	return allowed(enroll) || slices.ContainsFunc(waysOfIdentities(), allowed)
}

// target is a resource with the ways to act there as an identity.
type target struct {
	at   arm.ID
	ways []way
}

// targets returns where somebody can act as an identity: the resource of a system-assigned identity; a user-assigned
// identity itself and the resources that use it.
func (r *run) targets(as held) ([]target, error) {
	if !as.resource.Type().Is(identity.Type) {
		return []target{{as.resource, waysOf(as.resource.Type())}}, nil
	}
	all := []target{{as.resource, waysOfIdentities()}}
	for user, err := range resource.Associations(r.tx, as.resource, as.identity) {
		if err != nil {
			return nil, err
		}
		if len(all) > maxUsers {
			r.more = true
			break
		}
		all = append(all, target{user, waysOf(user.Type())})
	}
	return all, nil
}

// waysToBecome reports who can act as an identity and so gets an assignment that it does not have itself.
func (r *run) waysToBecome(as held) error {
	targets, err := r.targets(as)
	if err != nil {
		return err
	}
	for _, h := range r.holders {
		if !arm.SameName(h.TenantID, as.TenantID) || arm.SameName(h.PrincipalID, as.identity) || arm.SameName(h.PrincipalID, as.PrincipalID) {
			continue
		}
		if r.pairs += len(targets); r.pairs > maxPairs {
			r.more = true
			return nil
		}
		does, at, err := r.becomes(h, targets)
		if err != nil {
			return err
		}
		if does == "" {
			continue
		}
		if has, err := r.has(h.PrincipalID, as); err != nil || has {
			if err != nil {
				return err
			}
			continue
		}
		if err := r.finds(Warning, "becomes-identity", h.Assignment, "The principal %s %s the identity %s%s, which has the role %s at %s.",
			h.PrincipalID, does, as.resource, at, as.role.RoleName, as.Scope); err != nil {
			return err
		}
	}
	return nil
}

// becomes returns what the holder of a role can do at the first target that its assignment reaches, and which target
// it is if it is not the identity itself; empty if there is none.
func (r *run) becomes(h held, targets []target) (does, at string, err error) {
	for i, t := range targets {
		w := slices.IndexFunc(t.ways, func(w way) bool { return h.role.Allows(w.action) })
		if w < 0 {
			continue
		}
		reaches, err := r.RBAC.Reaches(r.tx, h.Assignment, t.at)
		if err != nil {
			return "", "", err
		}
		if reaches && i > 0 {
			at = " (" + t.at.String() + ")"
		}
		if reaches {
			return t.ways[w].does, at, nil
		}
	}
	return "", "", nil
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
