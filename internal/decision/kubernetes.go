package decision

import "strings"

// isKubernetes reports whether a folded action is on objects of Kubernetes, and not on the cluster's resource. Such an
// action is evaluated as one of the data plane even if the question does not mark it: guard does not mark them when it
// uses version 2 of checkAccess, and otherwise everybody with a role that has "*" in its actions, such as Contributor,
// could read the secrets of a cluster.
func isKubernetes(action string) bool {
	for _, cluster := range [...]string{managedClusters, fleetMembers, fleets, connectedClusters} { // the longer ones first
		if rest, found := strings.CutPrefix(action, cluster); found {
			return !controls(cluster, rest)
		}
	}
	return false
}

// The types of clusters, folded, with a slash. Sources: the provider operations of Microsoft.ContainerService and
// Microsoft.Kubernetes, and the types that guard knows.
const (
	managedClusters   = "microsoft.containerservice/managedclusters/"
	fleetMembers      = "microsoft.containerservice/fleets/members/"
	fleets            = "microsoft.containerservice/fleets/"
	connectedClusters = "microsoft.kubernetes/connectedclusters/"
)

// controls reports whether the rest of an action below a type of clusters is an action of the control plane: on the
// cluster itself, or on a child of it that is a resource. Actions on the objects of Kubernetes have names of the same
// form, so only a list can tell them apart.
func controls(cluster, rest string) bool {
	first, more, nested := strings.Cut(rest, "/")
	if !nested { // guard leaves out verbs that it does not know, such as in managedClusters/pods
		return rest == "read" || rest == "write" || rest == "delete"
	}
	return more == "action" || first == "providers" ||
		cluster == managedClusters && isChildOfCluster(first) || cluster == fleets && isChildOfFleet(first)
}

func isChildOfCluster(word string) bool {
	switch word {
	case "accessprofiles", "agentpools", "availableagentpoolversions", "commandresults", "detectors", "diagnosticsstate", "eventgridfilters",
		"extensionaddons", "identitybindings", "jwtauthenticators", "loadbalancers", "machines", "maintenanceconfigurations",
		"managednamespaces", "meshmemberships", "meshupgradeprofiles", "networksecurityperimeterassociationproxies",
		"networksecurityperimeterconfigurations", "operations", "outboundnetworkdependenciesendpoints", "privateendpointconnections",
		"privatelinkresources", "trustedaccessrolebindings", "upgradeprofiles":
		return true
	}
	return false
}

func isChildOfFleet(word string) bool {
	switch word {
	case "autoupgradeprofiles", "clustermeshprofiles", "gates", "managednamespaces", "members", "updateruns", "updatestrategies":
		return true
	}
	return false
}
