package wire

import "midas/internal/arm"

// Provider is a resource provider in an answer.
type Provider struct {
	ID                 string         `json:"id,omitempty"`
	Namespace          string         `json:"namespace"`
	RegistrationState  string         `json:"registrationState,omitempty"`
	RegistrationPolicy string         `json:"registrationPolicy"`
	ResourceTypes      []ProviderType `json:"resourceTypes"`
}

// ProviderType is one type of a provider, with its versions from the newest to the oldest.
type ProviderType struct {
	ResourceType      string        `json:"resourceType"`
	Locations         []string      `json:"locations"`
	APIVersions       []arm.Version `json:"apiVersions"`
	DefaultAPIVersion arm.Version   `json:"defaultApiVersion,omitempty"`
	Capabilities      string        `json:"capabilities,omitempty"`
}

// The first versions in which a type of a provider has these fields. Source: Microsoft's OpenAPI files.
const (
	capabilitiesSince      arm.Version = "2019-10-01"
	defaultAPIVersionSince arm.Version = "2020-06-01"
)

// EncodeProviderType removes the fields that the version does not have.
func EncodeProviderType(v arm.Version, t ProviderType) ProviderType {
	if !atLeast(v, capabilitiesSince) {
		t.Capabilities = ""
	}
	if !atLeast(v, defaultAPIVersionSince) {
		t.DefaultAPIVersion = ""
	}
	return t
}

// OperationInfo is one RBAC action of a provider.
type OperationInfo struct {
	Name         string           `json:"name"`
	IsDataAction bool             `json:"isDataAction,omitempty"`
	Display      OperationDisplay `json:"display"`
}

// OperationDisplay describes an action for users.
type OperationDisplay struct {
	Provider    string `json:"provider"`
	Resource    string `json:"resource"`
	Operation   string `json:"operation"`
	Description string `json:"description"`
}

// IdentityOperations lists the RBAC actions of Microsoft.ManagedIdentity.
func IdentityOperations() []OperationInfo {
	const (
		system     = "System Assigned Identities"
		user       = "User Assigned Identities"
		federated  = "Federated Identity Credentials"
		own        = "Managed Identity operations"
		provider   = "Managed Identity Resource Provider"
		namespace  = "Microsoft.ManagedIdentity/"
		identities = "userAssignedIdentities/"
		credential = identities + "federatedIdentityCredentials/"
	)
	rows := []struct{ action, resource, operation, description string }{
		{"identities/read", system, "Get System Assigned Identity", "Read the system-assigned identity of a resource"},
		{"operations/read", own, "List Managed Identity operations", "List the actions of this resource provider"},
		{"register/action", provider, "Registers the Managed Identity Resource Provider", "Register a subscription with this resource provider"},
		{identities + "assign/action", user, "Assign User Assigned Identity", "Let a resource use a user-assigned identity"},
		{identities + "delete", user, "Delete User Assigned Identity", "Delete a user-assigned identity"},
		{credential + "read", federated, "Get or list Federated Identity Credentials", "Read the federated credentials of an identity"},
		{credential + "write", federated, "Add or update Federated Identity Credential", "Create or change a federated credential"},
		{credential + "delete", federated, "Delete Federated Identity Credential", "Delete a federated credential"},
		{identities + "listAssociatedResources/action", user, "List associated resources for User Assigned Identity", "List the resources that use an identity"},
		{identities + "read", user, "Get User Assigned Identity", "Read a user-assigned identity"},
		{identities + "write", user, "Create/Update User Assigned Identity", "Create or change a user-assigned identity"},
	}
	list := make([]OperationInfo, len(rows))
	for i, row := range rows {
		list[i] = OperationInfo{Name: namespace + row.action, Display: OperationDisplay{
			Provider: "Microsoft Managed Identity", Resource: row.resource, Operation: row.operation, Description: row.description,
		}}
	}
	return list
}
