package management

import (
	_ "embed"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
)

//go:embed kubernetes.txt
var kubernetesText string

// kubernetesActions returns the actions of the data plane of a provider with clusters. guard reads them at its start,
// to learn which actions a question about all resources or all verbs means.
func kubernetesActions(namespace string) []wire.OperationInfo {
	clusters := map[string][]string{
		"microsoft.containerservice": {"Microsoft.ContainerService/managedClusters", "Microsoft.ContainerService/fleets", "Microsoft.ContainerService/fleets/members"},
		"microsoft.kubernetes":       {"Microsoft.Kubernetes/connectedClusters"},
	}[arm.Fold(namespace)]
	var actions []wire.OperationInfo
	for _, cluster := range clusters {
		for line := range strings.Lines(kubernetesText) {
			words := strings.Fields(line)
			if len(words) == 0 || words[0] == "#" {
				continue
			}
			verbs := words[1:]
			if len(verbs) == 0 {
				verbs = []string{"read", "write", "delete"}
			}
			for _, verb := range verbs {
				action := wire.EncodeOperation(namespace, cluster+"/"+words[0]+"/"+verb)
				action.IsDataAction = true
				actions = append(actions, action)
			}
		}
	}
	return actions
}
