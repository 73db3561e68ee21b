package management

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"midas/internal/arm"
)

// catalogueText names the resource types of Azure's providers with their api-versions, from the newest to the
// oldest. A line without a tab at its start names a provider, and the lines after it its types. Source:
// the libraries of Azure CLI 2.45, which are generated from Microsoft's OpenAPI files; api-versions after 2023
// and the types of the providers Blueprint, DevOpsInfrastructure, StorageMover and VideoIndexer are not confirmed
// by them. Clients read it to choose an api-version; Midas takes every other type and version of a listed
// provider too.
//
//go:embed catalogue.txt
var catalogueText string

// catalogueType is a resource type that no row of the operation table has.
type catalogueType struct {
	typ      arm.Type
	versions []arm.Version
}

// parseCatalogue returns the types by folded namespace.
func parseCatalogue(text string) (map[string][]catalogueType, error) {
	types, namespace := map[string][]catalogueType{}, ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 1 && !strings.HasPrefix(line, "\t") {
			namespace = words[0]
			continue
		}
		if len(words) < 2 || namespace == "" {
			return nil, fmt.Errorf("catalogue: the line %q has no version or no provider", line)
		}
		t := catalogueType{typ: arm.Type(namespace + "/" + words[0])}
		for _, version := range words[1:] {
			if !arm.WellFormed(version) {
				return nil, fmt.Errorf("catalogue: %q is not an api-version", version)
			}
			t.versions = append(t.versions, arm.Version(version))
		}
		types[arm.Fold(namespace)] = append(types[arm.Fold(namespace)], t)
	}
	return types, nil
}

// catalogueOf returns the types of a namespace: those of the operation table, then those of the catalogue if the
// namespace has generic types.
func (t *table) catalogueOf(namespace string) []catalogueType {
	key := arm.Fold(namespace)
	var all []catalogueType
	for _, typ := range t.types[key] {
		versions := t.versions(typ)
		slices.Reverse(versions) // newest first, as clients expect
		all = append(all, catalogueType{typ, versions})
	}
	if len(all) > 0 && !t.free[key] {
		return all
	}
	for _, listed := range t.catalogue[key] {
		if !slices.ContainsFunc(all, func(have catalogueType) bool { return have.typ.Is(listed.typ) }) {
			all = append(all, listed)
		}
	}
	return all
}

// defaultVersion returns the newest version that is not a preview, or the newest of all.
func (c catalogueType) defaultVersion() arm.Version {
	for _, v := range c.versions {
		if !v.Preview() {
			return v
		}
	}
	if len(c.versions) == 0 {
		return ""
	}
	return c.versions[0]
}

// Capabilities of a type in a provider's description.
const (
	capabilitiesTracked   = "CrossResourceGroupResourceMove, CrossSubscriptionResourceMove, SupportsTags, SupportsLocation"
	capabilitiesExtension = "SupportsExtension"
	capabilitiesNone      = "None"
)

// trackedNested are nested types that have a location and tags of their own. All other nested types have neither.
func trackedNested() []string {
	return []string{
		"virtualMachines/extensions", "virtualMachines/runCommands", "servers/databases", "servers/elasticPools", "managedInstances/databases",
		"sites/slots", "galleries/images", "galleries/applications", "hostGroups/hosts", "automationAccounts/runbooks", "automationAccounts/configurations",
		"netAppAccounts/capacityPools", "registries/agentPools", "registries/replications", "registries/tasks", "registries/webhooks",
		"profiles/endpoints", "workspaces/bigDataPools", "workspaces/sqlPools", "machines/extensions", "labs/virtualMachines", "projects/pools",
	}
}

// capabilities returns the capabilities of a type of a namespace. The operation table says which types extend
// other resources.
func (t *table) capabilities(typ arm.Type) string {
	path := typ.Path()
	switch {
	case t.extends(typ):
		return capabilitiesExtension
	case strings.HasSuffix(path, "operations"), strings.HasPrefix(path, "locations/"):
		return capabilitiesNone
	case strings.Contains(path, "/") && !slices.ContainsFunc(trackedNested(), func(nested string) bool { return arm.SameName(nested, path) }):
		return capabilitiesNone
	}
	return capabilitiesTracked
}

// extends reports whether the operation table has a type as an extension of resources.
func (t *table) extends(typ arm.Type) bool {
	return slices.ContainsFunc(t.operations, func(op Operation) bool { return op.Type.Is(typ) && op.At&arm.AtResource != 0 })
}
