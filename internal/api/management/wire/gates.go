package wire

import "midas/internal/arm"

// Gate says which fields and operations one api-version of Microsoft.ManagedIdentity has.
type Gate struct {
	Version      arm.Version
	SecretURL    bool // clientSecretUrl of user-assigned identities
	Associated   bool // listAssociatedResources
	Federated    bool // federatedIdentityCredentials
	Revoke       bool // revokeTokens
	Isolation    bool // isolationScope
	Restrictions bool // assignmentRestrictions
	Matching     bool // claimsMatchingExpression of federated credentials
}

// Gates returns the gates of all versions, oldest first. Source: Microsoft's OpenAPI files of these versions.
func Gates() []Gate {
	return []Gate{
		{Version: "2015-08-31-preview", SecretURL: true},
		{Version: "2018-11-30"},
		{Version: "2021-09-30-preview", Associated: true},
		{Version: "2022-01-31-preview", Associated: true, Federated: true},
		{Version: "2023-01-31", Federated: true},
		{Version: "2023-07-31-preview", Federated: true, Revoke: true},
		{Version: "2024-11-30", Federated: true, Isolation: true},
		{Version: "2025-01-31-preview", Federated: true, Isolation: true, Matching: true},
		{Version: "2025-05-31-preview", Federated: true, Isolation: true, Matching: true, Restrictions: true},
		{Version: "2026-04-30", Federated: true, Isolation: true},
		{Version: "2026-05-31", Federated: true, Isolation: true, Restrictions: true},
	}
}

// Versions returns the versions whose gate has a field or operation, oldest first.
func Versions(has func(Gate) bool) []arm.Version {
	var versions []arm.Version
	for _, gate := range Gates() {
		if has(gate) {
			versions = append(versions, gate.Version)
		}
	}
	return versions
}

// gateOf returns the gate of a version. The operation table has no others, so it always exists.
func gateOf(v arm.Version) Gate {
	for _, gate := range Gates() {
		if gate.Version == v {
			return gate
		}
	}
	return Gate{Version: v}
}
