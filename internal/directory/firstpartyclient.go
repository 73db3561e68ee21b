package directory

import "midas/internal/arm"

// The client ids of Microsoft's public clients, as Microsoft and the sources of the programs publish them.
const (
	AzureCLIAppID         = "04b07795-8ddb-461a-bbee-02f9e1bf7b46" // also of azd, and of Azure SDKs by default
	AzurePowerShellAppID  = "1950a258-227b-4e31-a9cf-717495945fc2"
	VisualStudioCodeAppID = "aebc6443-996d-45c2-90f0-388ff96faa56"
	KubernetesAppID       = "80faf920-1908-4b52-b5ef-a8e7bedfc67a" // of kubelogin, for clusters of AKS

	visualStudioAppID    = "872cd9fa-d31f-45e0-9eab-6e460a02d1f1"
	newVisualStudioAppID = "04f0c124-f2bc-4f59-8241-bf6df9866bbd"
	azCopyAppID          = "579a7132-0e58-4d80-b1e1-7a1e2d337859"
)

// firstPartyClientName returns the name of one of Microsoft's public clients, with which users sign in. It is
// called for every token request, so it allocates nothing.
func firstPartyClientName(appID string) (name string, found bool) {
	switch appID {
	case AzureCLIAppID:
		return "Microsoft Azure CLI", true
	case AzurePowerShellAppID:
		return "Microsoft Azure PowerShell", true
	case VisualStudioCodeAppID:
		return "Visual Studio Code", true
	case KubernetesAppID:
		return "Azure Kubernetes Service AAD Client", true
	case visualStudioAppID, newVisualStudioAppID:
		return "Visual Studio", true
	case azCopyAppID:
		return "Azure Storage AzCopy", true
	}
	return "", false
}

// firstPartyClient returns the application of one of Microsoft's public clients. These clients have no secret
// and get no app-only tokens. They listen on a loopback address; Midas sends no code to redirect URIs of
// Microsoft's own hosts.
func firstPartyClient(tenant, appID string) (Application, bool) {
	appID = arm.Fold(appID)
	name, found := firstPartyClientName(appID)
	if !found {
		return Application{}, false
	}
	return Application{
		ID: builtinID(tenant, appID), AppID: appID, TenantID: tenant, DisplayName: name, PublicClient: true,
		Redirects: Redirects{Public: []string{"http://localhost", "http://127.0.0.1", "http://[::1]"}}, FirstParty: true,
	}, true
}
