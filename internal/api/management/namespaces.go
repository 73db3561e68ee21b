package management

import (
	"slices"
	"strings"

	"midas/internal/arm"
)

// AllNamespaces in a list of namespaces means all well-formed namespaces.
const AllNamespaces = "*"

// DefaultNamespaces are the resource providers whose resources can have managed identities in Azure, as
// Microsoft's documentation of each service says. Other providers are not in the list because built-in roles
// allow many of their actions: nearly every one has Microsoft.Support/*.
func DefaultNamespaces() []string {
	return []string{
		"Microsoft.ApiManagement", "Microsoft.App", "Microsoft.AppConfiguration", "Microsoft.AppPlatform", "Microsoft.Automation",
		"Microsoft.AVS", "Microsoft.AzureStackHCI", "Microsoft.Batch", "Microsoft.Blueprint", "Microsoft.BotService",
		"Microsoft.Cache", "Microsoft.Cdn", "Microsoft.Chaos", "Microsoft.CognitiveServices", "Microsoft.Communication",
		"Microsoft.Compute", "Microsoft.ContainerInstance", "Microsoft.ContainerRegistry", "Microsoft.ContainerService", "Microsoft.Dashboard",
		"Microsoft.DataBox", "Microsoft.DataBoxEdge", "Microsoft.Databricks", "Microsoft.DataFactory", "Microsoft.DataProtection",
		"Microsoft.DBforMySQL", "Microsoft.DBforPostgreSQL", "Microsoft.DesktopVirtualization", "Microsoft.DevCenter", "Microsoft.Devices", "Microsoft.DeviceUpdate",
		"Microsoft.DevOpsInfrastructure", "Microsoft.DigitalTwins", "Microsoft.DocumentDB", "Microsoft.EventGrid", "Microsoft.EventHub",
		"Microsoft.HDInsight", "Microsoft.HealthcareApis", "Microsoft.HybridCompute", "Microsoft.IoTCentral", "Microsoft.KeyVault", "Microsoft.Kubernetes",
		"Microsoft.KubernetesConfiguration", "Microsoft.Kusto", "Microsoft.LoadTestService", "Microsoft.Logic", "Microsoft.MachineLearningServices",
		"Microsoft.Maps", "Microsoft.Media", "Microsoft.Migrate", "Microsoft.NetApp", "Microsoft.Network", "Microsoft.OperationalInsights",
		"Microsoft.Purview", "Microsoft.RecoveryServices", "Microsoft.RedHatOpenShift", "Microsoft.ResourceConnector", "Microsoft.Search",
		"Microsoft.ServiceBus", "Microsoft.ServiceFabric", "Microsoft.SignalRService", "Microsoft.Sql", "Microsoft.Storage",
		"Microsoft.StorageCache", "Microsoft.StorageMover", "Microsoft.StorageSync", "Microsoft.StreamAnalytics", "Microsoft.Synapse",
		"Microsoft.VideoIndexer", "Microsoft.VirtualMachineImages", "Microsoft.Web", "Microsoft.Workloads",
	}
}

// ExpandNamespaces replaces the word "default" in a configured list by DefaultNamespaces. For nil it returns
// DefaultNamespaces; an empty list stays empty.
func ExpandNamespaces(given []string) []string {
	if given == nil {
		return DefaultNamespaces()
	}
	all := make([]string, 0, len(given))
	for _, n := range given {
		if n == "default" {
			all = append(all, DefaultNamespaces()...)
			continue
		}
		all = append(all, n)
	}
	return all
}

// ValidNamespace reports whether a string can be the namespace of a resource provider: two or more words of
// ASCII letters and digits with dots between them, at most 128 bytes.
func ValidNamespace(namespace string) bool {
	words := strings.Split(namespace, ".")
	return len(words) > 1 && len(namespace) <= 128 && !slices.ContainsFunc(words, func(word string) bool {
		return strings.ContainsFunc(word, func(c rune) bool {
			return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
		}) || word == ""
	})
}

// namespaces is a set of providers, by folded namespace.
type namespaces map[string]bool

func newNamespaces(listed []string) namespaces {
	set := namespaces{}
	for _, namespace := range listed {
		set[arm.Fold(namespace)] = true
	}
	return set
}

// has reports whether a folded namespace is in the set. With AllNamespaces, each valid one is.
func (n namespaces) has(namespace string) bool {
	return n[namespace] || n[AllNamespaces] && ValidNamespace(namespace)
}
