package state

import (
	"errors"
	"fmt"
	"strings"

	"midas/internal/arm"
	"midas/internal/identity"
	"midas/internal/resource"
)

// form is the table of everything that a file of declarations may contain. Loader and JSON schema come from it.
func form() *field {
	return &field{is: record, doc: "The declared state of a Midas server.", fields: []field{
		{name: "$schema", doc: "The JSON schema of this file, for editors."},
		{name: "subscription", doc: "The id of the subscription of everything here. Default: that of the server.", check: checkGUID},
		{name: "location", doc: "The location of everything here that has none. Default: that of its resource group.", check: checkLocation},
		listOf("resourceGroups", "Resource groups.", resourceGroupFields()),
		listOf("identities", "User-assigned managed identities.", identityFields()),
		listOf("resources", "Resources, such as virtual machines, with the identities that they have.", resourceFields()),
		listOf("users", "Users of the directory.", userFields()),
		listOf("groups", "Groups of the directory.", groupFields()),
		listOf("applications", "Applications, each with its service principal.", applicationFields()),
		listOf("customRoles", "Custom roles of Azure RBAC.", customRoleFields()),
		listOf("roleAssignments", "Role assignments.", roleAssignmentFields()),
		listOf("hosts", "Machines that shall be enrolled as hosts of resources.", hostFields()),
	}}
}

func listOf(name, doc string, fields []field) field {
	return field{name: name, is: list, doc: doc, elem: &field{name: name, is: record, fields: fields}}
}

func texts(name, doc string) field {
	return field{name: name, is: list, doc: doc, elem: &field{name: name}}
}

func recordOf(name, doc string, fields ...field) field {
	return field{name: name, is: record, doc: doc, fields: fields}
}

func tags() field {
	return field{name: "tags", is: mapping, doc: "Tags. They replace those that the server has.", elem: &field{name: "tags"}}
}

func location() field {
	return field{name: "location", doc: "The location, such as eastus.", check: checkLocation}
}

func resourceGroup() field {
	return field{name: "resourceGroup", required: true, doc: "The name of the resource group.", check: resource.CheckGroupName}
}

func resourceGroupFields() []field {
	return []field{
		{name: "name", required: true, doc: "The name of the resource group.", check: resource.CheckGroupName},
		location(), tags(), {name: "managedBy", doc: "The id of the resource that manages the group."},
	}
}

func identityFields() []field {
	return []field{
		{name: "name", required: true, doc: "The name of the identity.", check: identity.CheckName},
		resourceGroup(), location(), tags(),
		recordOf("properties", "Properties of the identity.",
			field{name: "isolationScope", enum: []string{"None", "Regional"}, doc: "Whether only resources of the same region can have the identity."},
			recordOf("assignmentRestrictions", "What can have the identity.", texts("providers", "Resource providers or types.")),
			field{name: "principalId", lab: true, check: checkGUID, doc: "The object id of the service principal; only with --lab."},
			field{name: "clientId", lab: true, check: checkGUID, doc: "The client id; only with --lab."},
		),
		listOf("federatedCredentials", "Federated credentials of the identity.", []field{
			{name: "name", required: true, doc: "The name of the credential.", check: checkARMName},
			{name: "properties", is: record, required: true, doc: "What tokens are exchanged.", fields: []field{
				{name: "issuer", required: true, doc: "The issuer of the tokens, an https URL."},
				{name: "subject", doc: "The subject of the tokens."},
				recordOf("claimsMatchingExpression", "Matches the claims of tokens, instead of subject.",
					field{name: "value", required: true, doc: "The expression."},
					field{name: "languageVersion", is: number, doc: "The version of its language. Default: 1"}),
				texts("audiences", "The audience of the tokens. Default: api://AzureADTokenExchange"),
			}},
		}),
	}
}

func resourceFields() []field {
	return []field{
		{name: "type", required: true, doc: "The type, such as Microsoft.Compute/virtualMachines.", check: checkType},
		{name: "name", required: true, doc: "The name; for a nested type the names of its parents come before it, with slashes."},
		resourceGroup(), location(), tags(),
		{name: "apiVersion", check: checkVersion, doc: "The api-version in which the resource is written. Default: one of 2024."},
		recordOf("identity", "The identities of the resource.",
			field{name: "type", required: true, check: checkIdentityType, doc: "None, SystemAssigned, UserAssigned, or the last two with a comma."},
			field{name: "userAssignedIdentities", is: attached, doc: "Names of identities: NAME in the resource's own group, GROUP/NAME, or an id."},
			field{name: "principalId", lab: true, check: checkGUID, doc: "The object id of the system-assigned identity; only with --lab."},
			field{name: "clientId", lab: true, check: checkGUID, doc: "The client id of the system-assigned identity; only with --lab."},
			field{name: "tenantId", readOnly: true, doc: "The tenant. It is not compared."},
		),
		{name: "properties", is: anything, doc: "Properties of the resource, which depend on its type."},
		{name: "kind", doc: "The kind of the resource."},
		{name: "sku", is: anything, doc: "The SKU of the resource."},
		{name: "plan", is: anything, doc: "The plan of the resource."},
		{name: "zones", is: anything, doc: "The availability zones of the resource."},
		{name: "extendedLocation", is: anything, doc: "The extended location of the resource."},
		{name: "managedBy", doc: "The id of the resource that manages this one."},
	}
}

func userFields() []field {
	fields := []field{
		{name: "userPrincipalName", required: true, doc: "NAME@DOMAIN; the domain of the tenant can be left out."},
		{name: "id", lab: true, check: checkGUID, doc: "The object id; only with --lab."},
		{name: "displayName", doc: "The name that people read. Default: the name before the @."},
		{name: "accountEnabled", is: boolean, doc: "Whether the user can sign in. Default: true"},
		{name: "mailNickname", doc: "The alias of the user. Default: the name before the @."},
		recordOf("passwordProfile", "The password; only with --lab. Without it the password is random.",
			field{name: "password", required: true, lab: true, doc: "The password."},
			field{name: "forceChangePasswordNextSignIn", is: boolean, doc: "Whether the user must change it. Default: false"}),
	}
	for _, name := range userTexts() {
		fields = append(fields, field{name: name, is: attribute, doc: "The property " + name + " of the user."})
	}
	return fields
}

// userTexts are the further properties of users that a file can set.
func userTexts() []string {
	return []string{"givenName", "surname", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "department", "usageLocation", "companyName", "employeeId", "employeeType", "country", "city"}
}

// principalFields are the references to principals, of which one has exactly one.
func principalFields() []field {
	return []field{
		{name: "user", doc: "The userPrincipalName of a user."},
		{name: "group", doc: "The displayName of a group of the directory."},
		{name: "application", doc: "The displayName of an application; its service principal is meant."},
		{name: "identity", doc: "GROUP/NAME of a user-assigned identity, or its id."},
		{name: "resource", doc: "GROUP/TYPE/NAME of a resource, or its id; its system-assigned identity is meant."},
		{name: "id", check: checkGUID, doc: "The object id of a principal that the server has."},
	}
}

func groupFields() []field {
	return []field{
		{name: "displayName", required: true, doc: "The name of the group, which no other group may have."},
		{name: "id", lab: true, check: checkGUID, doc: "The object id; only with --lab."},
		{name: "description", is: attribute, doc: "What the group is for."},
		{name: "mailNickname", doc: "The alias of the group. Default: its name without what aliases cannot have."},
		{name: "members", is: list, doc: "All members. Others are removed.", elem: &field{name: "members", is: oneOf, fields: principalFields()}},
	}
}

func applicationFields() []field {
	fields := []field{
		{name: "displayName", required: true, doc: "The name of the application, which no other application may have."},
		{name: "id", lab: true, check: checkGUID, doc: "The object id of the application; only with --lab."},
		{name: "appId", lab: true, check: checkGUID, doc: "The client id; only with --lab."},
		recordOf("servicePrincipal", "The service principal of the application.",
			field{name: "id", lab: true, required: true, check: checkGUID, doc: "Its object id; only with --lab."}),
		texts("identifierUris", "URIs under which tokens for the application are requested."),
		{name: "signInAudience", doc: "Who can sign in: AzureADMyOrg, AzureADMultipleOrgs and so on."},
		{name: "isFallbackPublicClient", is: boolean, doc: "Whether it is a public client, which has no secret."},
		texts("tags", "Tags of the application."),
		{name: "passwordCredentials", is: list, doc: "Secrets of the application.", elem: &field{name: "passwordCredentials", is: record, fields: []field{
			{name: "displayName", required: true, doc: "The name of the secret, which no other secret of the application may have."},
			{name: "secretText", lab: true, doc: "The secret; only with --lab. Without it the server makes one, which is written into the file of --secrets."},
		}}},
		{name: "federatedIdentityCredentials", is: list, doc: "Federated credentials of the application.", elem: &field{name: "federatedIdentityCredentials", is: record, fields: []field{
			{name: "name", required: true, doc: "The name of the credential."},
			{name: "issuer", required: true, doc: "The issuer of the tokens, an https URL."},
			{name: "subject", doc: "The subject of the tokens."},
			texts("audiences", "The audience of the tokens. Default: api://AzureADTokenExchange"),
			{name: "description", is: attribute, doc: "What the credential is for."},
			{name: "claimsMatchingExpression", is: anything, doc: "Matches the claims of tokens, instead of subject."},
		}}},
	}
	for _, name := range applicationObjects() {
		fields = append(fields, field{name: name, is: anything, doc: "The property " + name + " of the application, as in Microsoft Graph."})
	}
	return fields
}

// applicationObjects are the properties of applications that are compared as Microsoft Graph returns them.
func applicationObjects() []string {
	return []string{"api", "appRoles", "description", "groupMembershipClaims", "notes", "optionalClaims", "publicClient", "requiredResourceAccess", "spa", "web"}
}

func customRoleFields() []field {
	return []field{
		{name: "name", check: checkGUID, doc: "The GUID of the role. Default: one made of its roleName."},
		{name: "properties", is: record, required: true, doc: "What the role allows.", fields: []field{
			{name: "roleName", required: true, doc: "The name of the role."},
			{name: "description", doc: "What the role is for."},
			{name: "type", enum: []string{"CustomRole"}, doc: "CustomRole."},
			{name: "permissions", is: list, required: true, doc: "What the role allows.", elem: &field{name: "permissions", is: record, fields: []field{
				texts("actions", "Actions that are allowed."), texts("notActions", "Actions that are left out of actions."),
				texts("dataActions", "Data actions that are allowed."), texts("notDataActions", "Data actions that are left out of dataActions."),
			}}},
			texts("assignableScopes", "Where the role can be assigned, in the form of scope. Default: the subscription."),
		}},
	}
}

func roleAssignmentFields() []field {
	return []field{
		{name: "name", check: checkGUID, doc: "The GUID of the assignment. Default: one made of its scope, role and principal."},
		{name: "scope", doc: "An id, or one without its beginning, such as resourceGroups/rg1. Default: the subscription."},
		{name: "role", doc: "The name or the GUID of a role."},
		{name: "principal", is: oneOf, doc: "Who gets the role.", fields: principalFields()},
		recordOf("properties", "Further properties of the assignment.",
			field{name: "roleDefinitionId", doc: "The id of a role, instead of role."},
			field{name: "principalId", check: checkGUID, doc: "The object id of a principal, instead of principal."},
			field{name: "principalType", enum: []string{"User", "Group", "ServicePrincipal", "ForeignGroup", "Device"}, doc: "The kind of the principal. Default: what it is."},
			field{name: "description", is: attribute, doc: "What the assignment is for."},
			field{name: "condition", is: attribute, doc: "A condition."},
			field{name: "conditionVersion", is: attribute, doc: "The version of the condition, 2.0."},
		),
	}
}

func hostFields() []field {
	return []field{{name: "resource", required: true, doc: "GROUP/TYPE/NAME of the resource, or its id."}}
}

// misplaced returns what to do about a field that another part of the form has.
func misplaced(f *field, name string) (hint string, has bool) {
	switch {
	case f.name == "groups" && (name == "location" || name == "name" || name == "tags"):
		return `"groups" are groups of the directory, with displayName and members; resource groups are declared in "resourceGroups".`, true
	case f.name == "" && name == "resources" || f.name == "" && name == "parameters":
		return "", false
	}
	return "", false
}

func checkGUID(s string) error {
	if !arm.IsGUID(s) {
		return fmt.Errorf("%q is not a GUID such as 00000000-0000-0000-0000-000000000000", arm.Clip(s))
	}
	return nil
}

func checkLocation(s string) error { return resource.CheckLocation(s, arm.TypeResourceGroup) }

func checkARMName(s string) error {
	if err := arm.CheckName(s); err != nil {
		return fmt.Errorf("the name %q %w", arm.Clip(s), err)
	}
	return nil
}

func checkVersion(s string) error {
	if !arm.WellFormed(s) {
		return fmt.Errorf("%q is not an api-version such as 2024-07-01", arm.Clip(s))
	}
	return nil
}

// checkType checks a type of resources that has no list of its own.
func checkType(s string) error {
	words := strings.Split(s, "/")
	for _, word := range words {
		if err := arm.CheckWord(word); err != nil {
			return fmt.Errorf("%q is not a type such as Microsoft.Compute/virtualMachines: the word %q %w", arm.Clip(s), arm.Clip(word), err)
		}
	}
	switch typ := arm.Type(s); {
	case len(words) < 2 || !strings.Contains(words[0], "."):
		return fmt.Errorf("%q is not a type such as Microsoft.Compute/virtualMachines", arm.Clip(s))
	case typ.Is(identity.Type):
		return errors.New(`user-assigned identities are declared in "identities"`)
	case typ.Is(identity.FederatedType):
		return errors.New(`federated credentials are declared in "federatedCredentials" of their identity`)
	case typ.Is(typeRoleAssignment):
		return errors.New(`role assignments are declared in "roleAssignments"`)
	case typ.Is(typeRoleDefinition):
		return errors.New(`custom roles are declared in "customRoles"`)
	}
	return nil
}

// checkIdentityType checks the type of a resource's identities; the server compares it without case and spaces.
func checkIdentityType(s string) error {
	_, _, err := identityTypes(s)
	return err
}

// identityTypes returns what a type of identities consists of.
func identityTypes(s string) (system, user bool, err error) {
	for _, word := range strings.Split(s, ",") {
		switch word = strings.TrimSpace(word); {
		case arm.SameName(word, "SystemAssigned"):
			system = true
		case arm.SameName(word, "UserAssigned"):
			user = true
		case !arm.SameName(word, "None") || strings.Contains(s, ","):
			return false, false, fmt.Errorf("%q is not None, SystemAssigned, UserAssigned or \"SystemAssigned, UserAssigned\"", arm.Clip(s))
		}
	}
	return system, user, nil
}

const (
	typeRoleAssignment arm.Type = "Microsoft.Authorization/roleAssignments"
	typeRoleDefinition arm.Type = "Microsoft.Authorization/roleDefinitions"
)
