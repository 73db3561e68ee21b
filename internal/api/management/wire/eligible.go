package wire

import (
	"strings"

	"midas/internal/arm"
	"midas/internal/odata"
	"midas/internal/rbac"
)

// EligibleChild is a child of a scope.
type EligibleChild struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// EligibleType returns the name of a type in a list of children: Azure has names of its own for what is not a
// resource.
func EligibleType(typ arm.Type) string {
	for _, named := range [...]struct {
		typ  arm.Type
		name string
	}{
		{arm.TypeSubscription, "subscription"}, {arm.TypeResourceGroup, "resourcegroup"},
		{"Microsoft.Management/managementGroups", "managementgroup"},
	} {
		if named.typ.Is(typ) {
			return named.name
		}
	}
	return string(typ)
}

var eligibleGrammar = odata.Grammar{Or: true, AnyCase: true}

// ParseEligibleFilter parses the $filter of a list of children: resourceType eq '…', several of them joined by
// "or". Microsoft's examples write a plus sign for a space. The function that it returns reports whether the filter
// selects a type. The error for other filters is an *arm.Error, UnsupportedQuery (400).
func ParseEligibleFilter(filter string) (func(string) bool, error) {
	unsupported := false
	expr, err := eligibleGrammar.Parse(strings.ReplaceAll(filter, "+", " "), func(t odata.Term) error {
		unsupported = unsupported || t.Op != "eq" || !t.Quoted || !arm.SameName(t.Name, "resourceType")
		return nil
	})
	if err != nil || unsupported {
		return nil, rbac.ErrFilter(filter)
	}
	return func(typ string) bool {
		return expr.Holds(func(t odata.Term) bool { return arm.SameName(t.Value, typ) })
	}, nil
}
