package resource

import (
	"context"
	"errors"

	"midas/internal/arm"
	"midas/internal/store"
)

// isDataScope reports whether a scope has a type of which Azure permits role assignments although Azure Resource Manager
// has no such resource: only the data plane of the parent knows whether it exists. Source: Microsoft's documentation of
// Azure RBAC for Kubernetes authorization (namespaces), for Azure Key Vault (certificates, keys, secrets) and for Azure AI
// Search (indexes).
func isDataScope(scope arm.ID) bool {
	switch scope.TypeKey() {
	case "microsoft.containerservice/managedclusters/namespaces",
		"microsoft.containerservice/fleets/namespaces",
		"microsoft.containerservice/fleets/members/namespaces",
		"microsoft.kubernetes/connectedclusters/namespaces",
		"microsoft.keyvault/vaults/certificates",
		"microsoft.keyvault/vaults/keys",
		"microsoft.keyvault/vaults/secrets",
		"microsoft.search/searchservices/indexes":
		return true
	case "microsoft.kubernetesconfiguration/namespaces": // the other form of a namespace that guard uses
		return isCluster(scope.Parent())
	}
	return false
}

func isCluster(id arm.ID) bool {
	switch id.TypeKey() {
	case "microsoft.containerservice/managedclusters", "microsoft.containerservice/fleets", "microsoft.kubernetes/connectedclusters":
		return true
	}
	return false
}

// CheckScope is CheckNotDeleting for a scope of role assignments. A scope that only the data plane of its parent knows
// needs no record: its parent is checked then, with whose deletion the assignments end.
func (s *Service) CheckScope(tx store.Tx, scope arm.ID) error {
	recorded, err := s.recordedScope(tx, scope)
	if err != nil {
		return err
	}
	return s.CheckNotDeleting(tx, recorded)
}

// FindScope returns an error if a scope of role assignments does not exist.
func (s *Service) FindScope(ctx context.Context, scope arm.ID) error {
	return s.Store.View(ctx, func(tx store.Tx) error {
		recorded, err := s.recordedScope(tx, scope)
		if err == nil {
			_, err = s.Get(tx, recorded)
		}
		return err
	})
}

// recordedScope returns the scope whose record tells whether a scope exists: its parent, if only the data plane of the
// parent knows it, and otherwise the scope.
func (s *Service) recordedScope(tx store.Tx, scope arm.ID) (arm.ID, error) {
	if !isDataScope(scope) {
		return scope, nil
	}
	_, err := s.Lookup(tx, scope)
	if errors.Is(err, store.ErrNotFound) {
		return scope.Parent(), nil
	}
	return scope, err
}
