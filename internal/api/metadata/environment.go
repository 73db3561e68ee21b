package metadata

import (
	"strings"

	"midas/internal/host"
)

// Flavour names a protocol.
type Flavour string

// The protocols, as they are named on the command line.
const (
	FlavourIMDS            Flavour = "imds"
	FlavourAppService      Flavour = "app-service"
	FlavourArc             Flavour = "arc"
	FlavourCloudShell      Flavour = "cloud-shell"
	FlavourServiceFabric   Flavour = "service-fabric"
	FlavourMachineLearning Flavour = "machine-learning"
	FlavourGoogle          Flavour = "google"
)

// Variable is an environment variable.
type Variable struct{ Name, Value string }

// Environment returns the environment variables that make clients choose a protocol. The origin of its endpoint
// is http://HOST:PORT, or https://HOST:PORT for Service Fabric. The secret and the thumbprint are used by the
// protocols that have them.
func Environment(f Flavour, origin string, known host.Secret, thumbprint string) []Variable {
	switch f {
	case FlavourAppService:
		return []Variable{
			{"IDENTITY_ENDPOINT", origin + pathMSI}, {"IDENTITY_HEADER", string(known)},
			{"MSI_ENDPOINT", origin + pathMSI}, {"MSI_SECRET", string(known)},
			{"APPSETTING_WEBSITE_SITE_NAME", "midas"}, // without it, Azure CLI assumes Cloud Shell
		}
	case FlavourArc:
		return []Variable{{"IDENTITY_ENDPOINT", origin + pathToken}, {"IMDS_ENDPOINT", origin}}
	case FlavourCloudShell:
		return []Variable{{"MSI_ENDPOINT", origin + pathCloudShell}}
	case FlavourServiceFabric:
		return []Variable{
			{"IDENTITY_ENDPOINT", origin + pathToken}, {"IDENTITY_HEADER", string(known)},
			{"IDENTITY_SERVER_THUMBPRINT", thumbprint},
		}
	case FlavourMachineLearning:
		return []Variable{{"MSI_ENDPOINT", origin + pathMSI}, {"MSI_SECRET", string(known)}}
	case FlavourGoogle:
		at := strings.TrimPrefix(origin, "http://")
		return []Variable{{"GCE_METADATA_HOST", at}, {"GCE_METADATA_IP", at}} // the second is that of the probes of some libraries
	case FlavourIMDS:
		return []Variable{
			{"AZURE_POD_IDENTITY_AUTHORITY_HOST", origin},
			{"MSAL_MANAGED_IDENTITY_ENDPOINT", origin + pathToken},
			{"ARM_MSI_ENDPOINT", origin + pathToken}, {"ARM_USE_MSI", "true"},
		}
	}
	return nil
}
