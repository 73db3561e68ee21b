package resource

import (
	"slices"

	"midas/internal/arm"
)

// registered returns the type as its provider has registered it with ARM: Config.Types and the types of
// otherSpellings. ARM's errors have this spelling, whatever that of the request is. Other types keep their
// spelling.
func (s *Service) registered(typ arm.Type) arm.Type {
	for _, known := range [][]arm.Type{s.Types, otherSpellings()} {
		if at := slices.IndexFunc(known, typ.Is); at >= 0 {
			return known[at]
		}
	}
	return typ
}

// otherSpellings returns the types that are registered in another spelling than documentation and clients use.
func otherSpellings() []arm.Type {
	return []arm.Type{
		"Microsoft.Cdn/profiles/afdendpoints", "Microsoft.Cdn/profiles/customdomains", "Microsoft.Cdn/profiles/rulesets",
		"Microsoft.Cdn/profiles/securitypolicies", "Microsoft.ServiceFabric/managedclusters", "Microsoft.Web/serverFarms",
	}
}
