package management

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/rbac"
	"midas/internal/store"
)

// roleDefinitionOperations are the operations on role definitions, which may stand at every scope.
func (h *Handler) roleDefinitionOperations() []Operation {
	const below = arm.AtSubscription | arm.AtGroup | arm.AtResource
	typ := string(typeRoleDefinitions)
	return withVersions(authorizationVersions(), []Operation{
		{Method: "GET", Type: typeRoleDefinitions, Target: arm.Collection, At: below, Perform: typ + "/read", Serve: h.listRoleDefinitions},
		{Method: "GET", Type: typeRoleDefinitions, Target: arm.Instance, At: below, Perform: typ + "/read", Serve: h.getRoleDefinition},
		// Built-in roles are the same for everyone. Reading them at the tenant needs no role, because
		// clients read them there and few callers have a role at the tenant. Custom roles are shown there
		// only to callers who may read them at one of their scopes.
		{Method: "GET", Type: typeRoleDefinitions, Target: arm.Collection, At: arm.AtTenant, Serve: h.listRoleDefinitions},
		{Method: "GET", Type: typeRoleDefinitions, Target: arm.Instance, At: arm.AtTenant, Serve: h.getRoleDefinition},
		{Method: "PUT", Type: typeRoleDefinitions, Target: arm.Instance, At: arm.AnyLevel, Perform: typ + "/write", Serve: h.putRoleDefinition},
		{Method: "DELETE", Type: typeRoleDefinitions, Target: arm.Instance, At: arm.AnyLevel, Perform: typ + "/delete", Serve: h.deleteRoleDefinition},
	})
}

func (h *Handler) listRoleDefinitions(ctx context.Context, r *Request) (*Response, error) {
	filter, err := rbac.ParseDefinitionFilter(r.Query.Get("$filter"))
	if err != nil {
		return nil, err
	}
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID()); err != nil {
		return nil, err
	}
	query := rbac.DefinitionQuery{Caller: r.Caller, Scope: r.ID(), Filter: filter, After: p.after}
	if r.Query.Has("$top") {
		query.Limit = p.limit
	}
	found, err := h.RBAC.ListDefinitions(ctx, query)
	if err != nil {
		return nil, err
	}
	value := make([]wire.RoleDefinition, len(found.Definitions))
	for i, d := range found.Definitions {
		value[i] = wire.EncodeRoleDefinition(r.Version, r.ID(), d, false)
	}
	return ok(wire.List[wire.RoleDefinition]{Value: value, NextLink: h.nextLink(r, p, found.Next)})
}

func (h *Handler) getRoleDefinition(ctx context.Context, r *Request) (*Response, error) {
	d, err := h.RBAC.Definition(ctx, r.Caller, r.ID().Base(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeRoleDefinition(r.Version, r.ID(), d, false))
}

// putRoleDefinition answers 201 also if the role existed, as Azure does.
func (h *Handler) putRoleDefinition(ctx context.Context, r *Request) (*Response, error) {
	var body wire.RoleDefinitionBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := h.scopeExists(ctx, r.Caller.TenantID, r.ID().Base()); err != nil {
		return nil, err
	}
	old, err := h.RBAC.Definition(ctx, r.Caller, r.ID().Base(), r.ID().Name())
	var refused *arm.Error
	if err != nil && !errors.As(err, &refused) {
		return nil, err
	}
	d, err := body.Definition(r.Version, r.ID().Name(), old)
	if err != nil {
		return nil, err
	}
	put, err := h.RBAC.PutDefinition(ctx, h.definitionChange(r), d)
	if err != nil {
		return nil, err
	}
	return &Response{Status: http.StatusCreated, Body: wire.EncodeRoleDefinition(r.Version, r.ID(), put, true)}, nil
}

func (h *Handler) deleteRoleDefinition(ctx context.Context, r *Request) (*Response, error) {
	d, existed, err := h.RBAC.DeleteDefinition(ctx, h.definitionChange(r), r.ID().Name())
	if err != nil {
		return nil, err
	}
	if !existed {
		return deleted(false)
	}
	return ok(wire.EncodeRoleDefinition(r.Version, r.ID(), d, false))
}

// definitionChange returns what a write of a custom role needs to know about its request.
func (h *Handler) definitionChange(r *Request) rbac.DefinitionChange {
	return rbac.DefinitionChange{
		Event: h.event(r), Caller: r.Caller, At: r.ID(), KnownProvider: h.table.knowsProvider, KnownAction: h.table.isControlAction,
		Exists: func(tx store.Tx, scope arm.ID) (bool, error) { return h.isOwnScope(tx, r.Caller.TenantID, scope) },
	}
}

// isOwnScope reports whether a scope exists in a tenant and is not being deleted.
func (h *Handler) isOwnScope(tx store.Tx, tenant string, scope arm.ID) (bool, error) {
	subscription, missing, err := h.tenantOf(tx, scope)
	if err != nil || missing != nil || scope.Subscription() != "" && !arm.SameName(subscription.TenantID, tenant) {
		return false, err
	}
	err = h.RBAC.Scope(tx, tenant, scope)
	var refused *arm.Error
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}

// knowsProvider reports whether a resource provider exists: the server has it, or Azure does.
func (t *table) knowsProvider(namespace string) bool {
	_, served := t.providerOf(namespace)
	return served || slices.ContainsFunc(otherNamespaces(), func(other string) bool { return arm.SameName(other, namespace) })
}

// isControlAction reports whether the server knows an action of the control plane: one of an operation, or one of
// a type in the catalogue.
func (t *table) isControlAction(action string) bool {
	cut := strings.LastIndexByte(action, '/')
	if cut < 0 {
		return false
	}
	typ, verb := arm.Type(action[:cut]), arm.Fold(action[cut+1:])
	return slices.ContainsFunc(t.operations, func(o Operation) bool { return arm.SameName(o.Perform, action) }) ||
		slices.Contains([]string{"read", "write", "delete"}, verb) &&
			slices.ContainsFunc(t.catalogue[arm.Fold(typ.Namespace())], func(c catalogueType) bool { return c.typ.Is(typ) })
}

// otherNamespaces are providers of Azure that Midas does not serve and that no built-in role mentions. Custom
// roles may have actions of them.
func otherNamespaces() []string {
	return []string{
		"Microsoft.AadIam", "Microsoft.Addons", "Microsoft.ADHybridHealthService", "Microsoft.AnalysisServices", "Microsoft.AzureActiveDirectory",
		"Microsoft.AzureFleet", "Microsoft.BillingBenefits", "Microsoft.Bing", "Microsoft.CertificateRegistration", "Microsoft.ChangeAnalysis",
		"Microsoft.ConfidentialLedger", "Microsoft.Confluent", "Microsoft.CustomerLockbox", "Microsoft.CustomProviders", "Microsoft.Datadog",
		"Microsoft.DataLakeStore", "Microsoft.DataShare", "Microsoft.DBforMariaDB", "Microsoft.DomainRegistration", "Microsoft.EdgeOrder",
		"Microsoft.Elastic", "Microsoft.Fabric", "Microsoft.FluidRelay", "Microsoft.HanaOnAzure", "Microsoft.HardwareSecurityModules",
		"Microsoft.HealthBot", "Microsoft.Help", "Microsoft.HybridContainerService", "Microsoft.HybridNetwork", "Microsoft.ImportExport",
		"Microsoft.IoTOperations", "Microsoft.ManagedNetworkFabric", "Microsoft.MarketplaceOrdering", "Microsoft.MobileNetwork", "Microsoft.NetworkCloud",
		"Microsoft.NetworkFunction", "Microsoft.NotificationHubs", "Microsoft.OffAzure", "Microsoft.Orbital", "Microsoft.Peering", "Microsoft.Portal",
		"Microsoft.PowerBI", "Microsoft.PowerBIDedicated", "Microsoft.PowerPlatform", "Microsoft.Quantum", "Microsoft.ResourceGraph", "Microsoft.SaaS",
		"Microsoft.ServiceLinker", "Microsoft.SoftwarePlan", "Microsoft.StandbyPool", "Microsoft.StorageActions", "Microsoft.StorageTasks",
		"Microsoft.TimeSeriesInsights", "Microsoft.VisualStudio", "Microsoft.VMware", "Microsoft.WindowsESU", "Microsoft.WindowsIoT",
		"Dynatrace.Observability", "Informatica.DataManagement", "NewRelic.Observability", "Oracle.Database", "Qumulo.Storage",
	}
}
