package wire

import (
	"midas/internal/arm"
	"midas/internal/identity"
)

// identityForm is the form that a resource provider gives the property "identity" in its answers. The zero value
// is the form of most providers.
type identityForm struct {
	none   noneForm
	since  arm.Version // the first version that shows none as noneAlways does; older versions leave it out
	user   string      // the type UserAssigned, if it is spelled in another way
	both   string      // the type of a resource with both kinds, if it is not spelled "SystemAssigned, UserAssigned"
	tenant bool        // tenantId is shown also without a system-assigned identity
	nulls  bool        // principalId, tenantId and userAssignedIdentities are null if they have no value
}

// noneForm says what a provider shows for a resource without identities.
type noneForm int

const (
	noneIfSet  noneForm = iota // {"type":"None"} once a request has set the type None, and nothing before
	noneNever                  // nothing
	noneAlways                 // {"type":"None"}
	noneNull                   // null
)

// formOf returns the form that a type has in answers about the resource itself.
func formOf(typ arm.Type) identityForm {
	if form, known := identityForms[typ.Key()]; known {
		return form
	}
	return identityForms[arm.Fold(typ.Namespace())]
}

// listForm is the form of the lists of all resources, which Azure Resource Manager answers itself.
func listForm() identityForm { return identityForm{none: noneNever} }

// encode encodes the identities of a resource. It returns nil if the form shows none.
func (f identityForm) encode(v arm.Version, c identity.Resource) *ManagedServiceIdentity {
	if c.Identity.Type == identity.None || c.Identity.Type == "" {
		if f.showsNone(v, c.NoIdentity) {
			return &ManagedServiceIdentity{Type: identity.None}
		}
		return nil
	}
	out := &ManagedServiceIdentity{Type: f.typeName(c.Identity.Type), PrincipalID: c.Identity.PrincipalID}
	if out.PrincipalID != "" || f.tenant {
		out.TenantID = c.Identity.TenantID
	}
	return out
}

func (f identityForm) showsNone(v arm.Version, set bool) bool {
	switch f.none {
	case noneAlways:
		return v.Compare(f.since) >= 0
	case noneIfSet:
		return set
	}
	return false
}

// typeName returns the spelling of an identity type.
func (f identityForm) typeName(typ string) string {
	switch {
	case typ == identity.UserAssigned && f.user != "":
		return f.user
	case typ == identity.Both && f.both != "":
		return f.both
	}
	return typ
}

// encodeAssigned encodes the user-assigned identities of a resource, by the id that the request had.
func encodeAssigned(c identity.Resource) map[string]UserAssignedIdentity {
	if len(c.Identity.UserAssigned) == 0 {
		return nil
	}
	all := make(map[string]UserAssignedIdentity, len(c.Identity.UserAssigned))
	for n, id := range c.Identity.UserAssigned {
		var value UserAssignedIdentity
		if !c.Fresh[n] {
			value.PrincipalID, value.ClientID = c.Identity.Assigned(n)
		}
		all[id] = value
	}
	return all
}
