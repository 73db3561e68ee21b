package management

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/resource"
)

// Placeholders of types in rows that hold for every provider.
const (
	typeProviderTypes      arm.Type = "{namespace}/resourceTypes"
	typeProviderPermission arm.Type = "{namespace}/providerPermissions"
	typeProviderOperations arm.Type = "{namespace}/operations"
	typeOperationCatalogue arm.Type = "Microsoft.Authorization/providerOperations"
)

// providerOperations returns the operations on the catalogue of providers. At the tenant they need no role. In a
// subscription they do, so the same types have rows of their own there.
func (h *Handler) providerOperations() []Operation {
	const sub = "Microsoft.Resources/subscriptions/"
	return append(withVersions(coreVersions(), []Operation{
		{Method: "GET", Type: arm.TypeProvider, Target: arm.Collection, At: arm.AtTenant, Serve: h.listProviders},
		{Method: "GET", Type: arm.TypeProvider, Target: arm.Instance, At: arm.AtTenant, Serve: h.getProvider},
		{Method: "GET", Type: arm.TypeProvider, Target: arm.Collection, At: arm.AtSubscription, Perform: sub + "providers/read", Serve: h.listProviders},
		{Method: "GET", Type: arm.TypeProvider, Target: arm.Instance, At: arm.AtSubscription, Perform: sub + "providers/read", Serve: h.getProvider},
		{Method: "GET", Type: typeProviderTypes, Target: arm.Collection, At: arm.AtSubscription, Perform: sub + "providers/read", Serve: h.listProviderTypes},
		{Method: "GET", Type: typeProviderPermission, Target: arm.Collection, At: arm.AtSubscription, Perform: sub + "providers/read", Serve: h.listProviderPermissions},
		{Method: "POST", Type: arm.TypeProvider, Target: arm.Action, Verb: "register", At: arm.AtSubscription, Perform: "{namespace}/register/action", Serve: h.registerProvider},
		{Method: "POST", Type: arm.TypeProvider, Target: arm.Action, Verb: "unregister", At: arm.AtSubscription, Perform: "{namespace}/unregister/action", Serve: h.unregisterProvider},
		{Method: "POST", Type: arm.TypeProvider, Target: arm.Action, Verb: "checkResourceName", At: arm.AtTenant, Serve: ofResources(h.checkResourceName)},
		{Method: "POST", Type: arm.TypeProvider, Target: arm.Action, Verb: "checkZonePeers", At: arm.AtSubscription, Perform: "Microsoft.Resources/checkZonePeers/action", Serve: ofResources(h.checkZonePeers)},
	}), slices.Concat([]Operation{
		// Each provider has versions of its own.
		{Method: "GET", Type: typeProviderOperations, Target: arm.Collection, At: arm.AtTenant, Free: true, Serve: h.listOperations},
	}, withVersions(authorizationVersions(), []Operation{
		{Method: "GET", Type: typeOperationCatalogue, Target: arm.Collection, At: arm.AtTenant, Serve: h.listProviderOperations},
		{Method: "GET", Type: typeOperationCatalogue, Target: arm.Instance, At: arm.AtTenant, Serve: h.getProviderOperations},
	}))...)
}

// ofResources limits an action to the provider Microsoft.Resources.
func ofResources(serve func(context.Context, *Request) (*Response, error)) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, r *Request) (*Response, error) {
		if !arm.SameName(r.ID().Name(), arm.TypeTenant.Namespace()) {
			return nil, arm.ErrInvalidResourceType(r.ID().Name(), string(r.Version))
		}
		return serve(ctx, r)
	}
}

func (h *Handler) listProviders(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // the answer is large
		return nil, err
	}
	subscription, err := h.subscriptionOf(ctx, r)
	if err != nil {
		return nil, err
	}
	value := []wire.Provider{}
	for _, namespace := range h.table.namespaces() {
		value = append(value, h.provider(r, subscription, namespace))
	}
	return ok(wire.List[wire.Provider]{Value: value})
}

func (h *Handler) getProvider(ctx context.Context, r *Request) (*Response, error) {
	namespace, known := h.table.providerOf(r.ID().Name())
	if !known {
		return nil, errNamespace(r.ID().Name())
	}
	subscription, err := h.subscriptionOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return ok(h.provider(r, subscription, namespace))
}

// subscriptionOf reads the record of the request's subscription. It is zero at the tenant.
func (h *Handler) subscriptionOf(ctx context.Context, r *Request) (resource.Record, error) {
	scope := r.ID().SubscriptionScope()
	if scope.IsRoot() {
		return resource.Record{}, nil
	}
	return h.Resources.Find(ctx, scope)
}

func (h *Handler) listProviderTypes(_ context.Context, r *Request) (*Response, error) {
	namespace, known := h.table.providerOf(r.Path.Type.Namespace())
	if !known {
		return nil, errNamespace(r.Path.Type.Namespace())
	}
	return ok(wire.List[wire.ProviderType]{Value: h.providerTypes(r.Version, namespace)})
}

// listProviderPermissions lists the permissions of the provider's own applications. Providers have none here.
func (h *Handler) listProviderPermissions(_ context.Context, r *Request) (*Response, error) {
	if _, known := h.table.providerOf(r.Path.Type.Namespace()); !known {
		return nil, errNamespace(r.Path.Type.Namespace())
	}
	return ok(wire.List[struct{}]{Value: []struct{}{}})
}

func (h *Handler) registerProvider(ctx context.Context, r *Request) (*Response, error) {
	return h.setRegistration(ctx, r, true)
}

func (h *Handler) unregisterProvider(ctx context.Context, r *Request) (*Response, error) {
	return h.setRegistration(ctx, r, false)
}

// setRegistration registers or unregisters a provider. Both are done before the answer, so that the state is never
// Registering or Unregistering.
func (h *Handler) setRegistration(ctx context.Context, r *Request, registered bool) (*Response, error) {
	namespace, known := h.table.providerOf(r.ID().Name())
	if !known {
		return nil, errNamespace(r.ID().Name())
	}
	if isRegistrationFree(namespace) {
		if !registered {
			return nil, arm.Errorf(http.StatusBadRequest, "RegistrationFree", "The resource provider '%s' is available to every subscription and cannot be unregistered.", namespace)
		}
		response, err := h.getProvider(ctx, r)
		if err != nil {
			return nil, err
		}
		return h.logged(ctx, r, response)
	}
	if err := r.event.MakeList(ctx); err != nil { // unregistering reads the records of the subscription
		return nil, err
	}
	ev := h.event(r)
	ev.Code = http.StatusOK
	rec, err := h.Resources.SetRegistration(ctx, ev, r.ID().SubscriptionScope(), namespace, registered)
	if err != nil {
		return nil, err
	}
	return ok(h.provider(r, rec, namespace))
}

// logged writes a request to the activity log that was accepted and has changed nothing in the store.
func (h *Handler) logged(ctx context.Context, r *Request, response *Response) (*Response, error) {
	ev := h.event(r)
	ev.Code = response.Status
	if err := h.Activity.Record(ctx, ev); err != nil {
		return nil, err
	}
	return response, nil
}

// isRegistrationFree reports whether a provider needs no registration. ARM itself needs its own.
func isRegistrationFree(namespace string) bool {
	return slices.ContainsFunc([]string{"Microsoft.Resources", "Microsoft.Authorization", "Midas.Hosts", "Midas.Authorization"}, func(free string) bool { return arm.SameName(free, namespace) })
}

// checkRegistered returns ARM's error for a write to a type whose provider is unregistered in the subscription.
func checkRegistered(subscription resource.Record, r *Request) error {
	if len(subscription.Unregistered) == 0 || r.HTTP.Method != http.MethodPut && r.HTTP.Method != http.MethodPatch {
		return nil
	}
	if namespace := r.Type.Namespace(); subscription.IsUnregistered(namespace) {
		return errUnregistered(namespace)
	}
	return nil
}

func errUnregistered(namespace string) *arm.Error {
	const code = "MissingSubscriptionRegistration"
	err := arm.Errorf(http.StatusConflict, code,
		"The subscription is not registered to use namespace '%s'. See https://aka.ms/rps-not-found for how to register subscriptions.", namespace)
	err.Details = []*arm.Error{{Code: code, Target: namespace, Message: err.Message}}
	return err
}

// providerOf returns the namespace of the provider that a client asks for, and whether Midas serves it. A
// provider that is listed but not in the table is served too.
func (t *table) providerOf(asked string) (string, bool) {
	if namespace, known := t.namespace(asked); known {
		return namespace, true
	}
	if spelled, known := t.generic.spelled[arm.Fold(asked)]; known {
		return spelled, true
	}
	return asked, t.generic.listed.has(arm.Fold(asked))
}

// provider describes a namespace. The subscription's record is zero at the tenant.
func (h *Handler) provider(r *Request, subscription resource.Record, namespace string) wire.Provider {
	p := wire.Provider{Namespace: namespace, RegistrationPolicy: "RegistrationRequired", ResourceTypes: h.providerTypes(r.Version, namespace)}
	if isRegistrationFree(namespace) {
		p.RegistrationPolicy = "RegistrationFree"
	}
	if subscription.ID == "" {
		return p
	}
	p.ID = r.ID().SubscriptionScope().String() + "/providers/" + namespace
	p.RegistrationState = "Registered"
	if subscription.IsUnregistered(namespace) {
		p.RegistrationState = "Unregistered"
	}
	return p
}

// providerTypes describes the types of a namespace.
func (h *Handler) providerTypes(v arm.Version, namespace string) []wire.ProviderType {
	types, regions := []wire.ProviderType{}, wire.RegionNames()
	for _, c := range h.table.catalogueOf(namespace) {
		capabilities := h.table.capabilities(c.typ)
		locations := regions
		if capabilities == capabilitiesExtension || strings.HasSuffix(c.typ.Path(), "operations") {
			locations = []string{} // such a type has no region
		}
		types = append(types, wire.EncodeProviderType(v, wire.ProviderType{
			ResourceType: c.typ.Path(), Locations: locations, APIVersions: c.versions, DefaultAPIVersion: c.defaultVersion(), Capabilities: capabilities,
		}))
	}
	return types
}

// namespaces returns the namespaces of the table and of the configuration, sorted.
func (t *table) namespaces() []string {
	var names []string
	for _, types := range t.types {
		names = append(names, types[0].Namespace())
	}
	for key, spelled := range t.generic.spelled {
		if t.types[key] == nil {
			names = append(names, spelled)
		}
	}
	slices.SortFunc(names, strings.Compare)
	return names
}

// namespace returns the table's spelling of a namespace.
func (t *table) namespace(asked string) (string, bool) {
	types := t.types[arm.Fold(asked)]
	if types == nil {
		return "", false
	}
	return types[0].Namespace(), true
}

// versions returns the versions of all operations on a type, oldest first.
func (t *table) versions(typ arm.Type) []arm.Version {
	var versions []arm.Version
	for i := range t.operations {
		if op := &t.operations[i]; op.Type == typ {
			versions = append(versions, op.Versions...)
		}
	}
	slices.SortFunc(versions, arm.Version.Compare)
	return slices.Compact(versions)
}
