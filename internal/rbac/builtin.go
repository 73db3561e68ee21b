package rbac

import (
	"slices"
	"time"
)

// OwnerID is the definition of the role whose last assignment at a subscription cannot be removed.
const OwnerID = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"

// Clients rely on the ids, names, dates and action strings of the built-in roles. They are those of Azure in
// August 2023, with later additions to Contributor and the identity roles. The descriptions are Midas's own. A test compares
// the table with Azure's answer and has the list of differences.

// Definitions returns the built-in roles. Callers must not modify them.
func Definitions() []Definition {
	return slices.Concat(builtinGeneral, builtinIdentity, builtinData)
}

func builtin(id, name, description, created, updated string, p Permission) Definition {
	return Definition{
		ID: id, RoleName: name, Description: description, Type: BuiltInRole,
		AssignableScopes: []string{"/"}, Permissions: []Permission{p},
		CreatedOn: date(created), UpdatedOn: date(updated),
	}
}

// date parses a date of the table. A test checks that every date is valid.
func date(s string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, s)
	return t
}

// builtinGeneral are the roles for every type of resource.
var builtinGeneral = []Definition{
	builtin("8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "Owner",
		"Full control of everything at the scope, including who has access to it.",
		"2015-02-02T21:55:09.8806423Z", "2021-11-11T20:13:45.8978856Z", Permission{
			Actions: []string{"*"},
		}),
	builtin("b24988ac-6180-42a0-ab88-20f7382dd24c", "Contributor",
		"Full control of everything at the scope except who has access to it, blueprint assignments, sharing of image galleries, Purview consents, deny settings of deployment stacks and the subscription's own state.",
		"2015-02-02T21:55:09.8806423Z", "2023-07-07T20:27:50.9966612Z", Permission{
			Actions: []string{"*"},
			NotActions: []string{
				"Microsoft.Authorization/*/Delete",
				"Microsoft.Authorization/*/Write",
				"Microsoft.Authorization/elevateAccess/Action",
				"Microsoft.Blueprint/blueprintAssignments/write",
				"Microsoft.Blueprint/blueprintAssignments/delete",
				"Microsoft.Compute/galleries/share/action",
				"Microsoft.Purview/consents/write",
				"Microsoft.Purview/consents/delete",
				"Microsoft.Resources/deploymentStacks/manageDenySetting/action",
				"Microsoft.Subscription/cancel/action",
				"Microsoft.Subscription/enable/action",
			},
		}),
	builtin("acdd72a7-3385-48ef-bd42-f606fba81ae7", "Reader",
		"Sees everything at the scope and changes nothing.",
		"2015-02-02T21:55:09.8806423Z", "2021-11-11T20:13:47.8628684Z", Permission{
			Actions: []string{"*/read"},
		}),
	builtin("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", "User Access Administrator",
		"Sees everything at the scope and decides who has access to it.",
		"2015-02-02T21:55:09.8806423Z", "2021-11-11T20:13:57.7932023Z", Permission{
			Actions: []string{
				"*/read",
				"Microsoft.Authorization/*",
				"Microsoft.Support/*",
			},
		}),
	builtin("f58310d9-a9f6-439a-9e8d-f62e7b41a168", "Role Based Access Control Administrator",
		"Sees everything at the scope and assigns roles there, but cannot manage access by other means such as policies.",
		"2022-09-07T02:29:29.6592395Z", "2022-09-07T02:29:29.6592395Z", Permission{
			Actions: []string{
				"Microsoft.Authorization/roleAssignments/write",
				"Microsoft.Authorization/roleAssignments/delete",
				"*/read",
				"Microsoft.Support/*",
			},
		}),
	builtin("4a9ae827-6dc8-4573-8ac7-8239d42aa03f", "Tag Contributor",
		"Manages the tags of everything at the scope, without access to the resources themselves.",
		"2020-02-18T23:19:19.2977644Z", "2021-11-11T20:14:20.0172041Z", Permission{
			Actions: []string{
				"Microsoft.Authorization/*/read",
				"Microsoft.Resources/subscriptions/resourceGroups/read",
				"Microsoft.Resources/subscriptions/resourceGroups/resources/read",
				"Microsoft.Resources/subscriptions/resources/read",
				"Microsoft.Resources/deployments/*",
				"Microsoft.Insights/alertRules/*",
				"Microsoft.Support/*",
				"Microsoft.Resources/tags/*",
			},
		}),
	builtin("43d0d8ad-25c7-4714-9337-8ba259a9fe05", "Monitoring Reader",
		"Reads all monitoring data.",
		"2016-09-21T19:19:52.4939376Z", "2022-09-06T19:22:59.9084089Z", Permission{
			Actions: []string{
				"*/read",
				"Microsoft.OperationalInsights/workspaces/search/action",
				"Microsoft.Support/*",
			},
		}),
}

// builtinData are the roles that are usually assigned to the identities of workloads.
var builtinData = []Definition{
	builtin("b7e6dc6d-f1e8-4753-8033-0f276bb0955b", "Storage Blob Data Owner",
		"Full control of blob containers and their data, POSIX access control lists included.",
		"2018-12-04T07:02:58.2775257Z", "2021-11-11T20:13:55.1225062Z", Permission{
			Actions: []string{
				"Microsoft.Storage/storageAccounts/blobServices/containers/*",
				"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
			},
			DataActions: []string{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/*"},
		}),
	builtin("ba92f5b4-2d11-453d-a403-e96b0029c9fe", "Storage Blob Data Contributor",
		"Reads, writes and deletes blob containers and their data.",
		"2017-12-21T00:01:24.7972312Z", "2021-11-11T20:13:54.9397456Z", Permission{
			Actions: []string{
				"Microsoft.Storage/storageAccounts/blobServices/containers/delete",
				"Microsoft.Storage/storageAccounts/blobServices/containers/read",
				"Microsoft.Storage/storageAccounts/blobServices/containers/write",
				"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
			},
			DataActions: []string{
				"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
				"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
				"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
				"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action",
				"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
			},
		}),
	builtin("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "Storage Blob Data Reader",
		"Reads and lists blob containers and their data.",
		"2017-12-21T00:01:24.7972312Z", "2021-11-11T20:13:55.2975076Z", Permission{
			Actions: []string{
				"Microsoft.Storage/storageAccounts/blobServices/containers/read",
				"Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
			},
			DataActions: []string{"Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"},
		}),
	builtin("00482a5a-887f-4fb3-b363-3b7fe8e74483", "Key Vault Administrator",
		"All data operations on a key vault, its keys, secrets and certificates. Manages neither the vault itself nor its role assignments.",
		"2020-05-19T17:52:46.2349235Z", "2021-11-11T20:14:30.2542755Z", Permission{
			Actions: []string{
				"Microsoft.Authorization/*/read",
				"Microsoft.Insights/alertRules/*",
				"Microsoft.Resources/deployments/*",
				"Microsoft.Resources/subscriptions/resourceGroups/read",
				"Microsoft.Support/*",
				"Microsoft.KeyVault/checkNameAvailability/read",
				"Microsoft.KeyVault/deletedVaults/read",
				"Microsoft.KeyVault/locations/*/read",
				"Microsoft.KeyVault/vaults/*/read",
				"Microsoft.KeyVault/operations/read",
			},
			DataActions: []string{"Microsoft.KeyVault/vaults/*"},
		}),
	builtin("4633458b-17de-408a-b874-0445c86b69e6", "Key Vault Secrets User",
		"Reads the values of secrets.",
		"2020-05-19T17:52:47.2049241Z", "2021-11-11T20:14:30.9542829Z", Permission{
			DataActions: []string{
				"Microsoft.KeyVault/vaults/secrets/getSecret/action",
				"Microsoft.KeyVault/vaults/secrets/readMetadata/action",
			},
		}),
	builtin("21090545-7ca7-4776-b22c-e363652d74d2", "Key Vault Reader",
		"Reads the metadata of a key vault, its keys, secrets and certificates, but no secret value and no key material.",
		"2020-05-19T17:52:47.2949294Z", "2021-11-11T20:14:31.3043292Z", Permission{
			Actions: []string{
				"Microsoft.Authorization/*/read",
				"Microsoft.Insights/alertRules/*",
				"Microsoft.Resources/deployments/*",
				"Microsoft.Resources/subscriptions/resourceGroups/read",
				"Microsoft.Support/*",
				"Microsoft.KeyVault/checkNameAvailability/read",
				"Microsoft.KeyVault/deletedVaults/read",
				"Microsoft.KeyVault/locations/*/read",
				"Microsoft.KeyVault/vaults/*/read",
				"Microsoft.KeyVault/operations/read",
			},
			DataActions: []string{
				"Microsoft.KeyVault/vaults/*/read",
				"Microsoft.KeyVault/vaults/secrets/readMetadata/action",
			},
		}),
	builtin("7f951dda-4ed3-4680-a7ca-43fe172d538d", "AcrPull",
		"Pulls images from a container registry.",
		"2018-10-22T19:01:56.8227182Z", "2021-11-11T20:13:08.8779328Z", Permission{
			Actions: []string{"Microsoft.ContainerRegistry/registries/pull/read"},
		}),
	builtin("8311e382-0749-4cb8-b61a-304f252e45ec", "AcrPush",
		"Pushes images to and pulls them from a container registry.",
		"2018-10-29T17:52:32.5201177Z", "2021-11-11T20:13:07.4993029Z", Permission{
			Actions: []string{
				"Microsoft.ContainerRegistry/registries/pull/read",
				"Microsoft.ContainerRegistry/registries/push/write",
			},
		}),
}
