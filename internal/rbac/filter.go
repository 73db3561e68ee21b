package rbac

import (
	"midas/internal/arm"
	"midas/internal/odata"
)

// ParseAssignmentFilter parses the $filter of a list of role assignments: an empty one, atScope(),
// principalId eq '…', assignedTo('…'), or atScope() and assignedTo('…'). As in Azure, ids must be quoted and may
// have any form that arm.ParseGUID reads. The error for other filters is an *arm.Error, UnsupportedQuery (400).
func ParseAssignmentFilter(filter string) (Filter, error) {
	const supported = "either 'atScope()' or 'principalId eq '{value}' or assignedTo('{value}')'"
	terms, err := odata.Parse(filter)
	if err != nil {
		return Filter{}, errFilter(filter, supported)
	}
	var f Filter
	for _, term := range terms {
		id, isGUID := arm.ParseGUID(term.Value)
		switch isGUID = isGUID && term.Quoted; {
		case is(term, "atScope", odata.Call) && term.Value == "" && !f.AtScope:
			f.AtScope = true
		case is(term, "principalId", "eq") && isGUID && len(terms) == 1:
			f.PrincipalID = id
		case is(term, "assignedTo", odata.Call) && isGUID && f.AssignedTo == "":
			f.AssignedTo = id
		default:
			return Filter{}, errFilter(filter, supported)
		}
	}
	return f, nil
}

// DefinitionFilter selects role definitions. Empty fields select everything.
type DefinitionFilter struct {
	RoleName string // case-insensitive
	Type     string // case-insensitive; BuiltInRole or CustomRole
	// AtScopeAndBelow also selects the custom roles that can be assigned only below the scope.
	AtScopeAndBelow bool
}

// ParseDefinitionFilter parses the $filter of a list of role definitions: roleName eq '…', type eq '…',
// atScopeAndBelow(), or several of them joined by "and". The error for other filters is an *arm.Error,
// UnsupportedQuery (400).
func ParseDefinitionFilter(filter string) (DefinitionFilter, error) {
	const supported = "'roleName eq '{value}'', 'type eq '{value}'' and 'atScopeAndBelow()'"
	terms, err := odata.Parse(filter)
	if err != nil {
		return DefinitionFilter{}, errFilter(filter, supported)
	}
	var f DefinitionFilter
	for _, term := range terms {
		switch value := term.Quoted && term.Value != ""; {
		case is(term, "roleName", "eq") && value && f.RoleName == "":
			f.RoleName = term.Value
		case is(term, "type", "eq") && value && f.Type == "":
			f.Type = term.Value
		case is(term, "atScopeAndBelow", odata.Call) && term.Value == "":
			f.AtScopeAndBelow = true
		default:
			return DefinitionFilter{}, errFilter(filter, supported)
		}
	}
	return f, nil
}

// Match reports whether the filter selects a definition.
func (f DefinitionFilter) Match(d Definition) bool {
	return (f.RoleName == "" || arm.SameName(f.RoleName, d.RoleName)) &&
		(f.Type == "" || arm.SameName(f.Type, d.Type))
}

func is(term odata.Term, name, op string) bool {
	return term.Op == op && arm.SameName(term.Name, name)
}
