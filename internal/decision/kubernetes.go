package decision

import (
	"slices"
	"strings"

	"midas/internal/arm"
)

// isDataAction reports whether an action is evaluated as one of the data plane. Besides those that the question marks,
// these are the actions on the objects of Kubernetes: guard does not mark them when it uses version 2 of checkAccess,
// and otherwise everybody with a role that has "*" in its actions, such as Contributor, could read the secrets of a
// cluster.
func isDataAction(a Action) bool { return a.Data || isKubernetes(arm.Fold(a.Name)) }

// isKubernetes reports whether a folded action is on objects of Kubernetes, and not on the cluster's resource.
func isKubernetes(action string) bool {
	for _, cluster := range clusterTypes() {
		if rest, found := strings.CutPrefix(action, cluster.prefix); found {
			return !cluster.controls(strings.Split(rest, "/"))
		}
	}
	return false
}

// clusterType is a type of resource that is a cluster. Below its prefix, actions of the control plane and actions on the
// objects of Kubernetes have names of the same form, so only a list can tell them apart.
type clusterType struct {
	prefix   string   // folded
	children []string // the resource types of the control plane below it, folded
}

// controls reports whether the words of an action below the prefix are an action of the control plane: on the cluster
// itself, or on one of its children.
func (c clusterType) controls(words []string) bool {
	return len(words) == 1 || len(words) == 2 && words[1] == "action" || slices.Contains(c.children, words[0])
}

// clusterTypes returns the types of clusters, the longer prefixes first. Sources: the provider operations of
// Microsoft.ContainerService and Microsoft.Kubernetes, and the types that guard knows.
func clusterTypes() []clusterType {
	return []clusterType{
		{"microsoft.containerservice/managedclusters/", []string{
			"accessprofiles", "agentpools", "availableagentpoolversions", "commandresults", "detectors", "diagnosticsstate", "eventgridfilters",
			"extensionaddons", "identitybindings", "jwtauthenticators", "loadbalancers", "machines", "maintenanceconfigurations",
			"managednamespaces", "meshmemberships", "meshupgradeprofiles", "networksecurityperimeterassociationproxies",
			"networksecurityperimeterconfigurations", "operations", "outboundnetworkdependenciesendpoints", "privateendpointconnections",
			"privatelinkresources", "providers", "trustedaccessrolebindings", "upgradeprofiles",
		}},
		{"microsoft.containerservice/fleets/members/", []string{"providers"}},
		{"microsoft.containerservice/fleets/", []string{
			"autoupgradeprofiles", "clustermeshprofiles", "gates", "managednamespaces", "members", "providers", "updateruns", "updatestrategies",
		}},
		{"microsoft.kubernetes/connectedclusters/", []string{"providers"}},
	}
}
