package management

import (
	"context"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
)

func (h *Handler) listProviders(_ context.Context, r *Request) (*Response, error) {
	namespaces := h.table.namespaces()
	value := make([]wire.Provider, len(namespaces))
	for i, namespace := range namespaces {
		value[i] = h.provider(r, namespace)
	}
	return ok(wire.List[wire.Provider]{Value: value})
}

func (h *Handler) getProvider(_ context.Context, r *Request) (*Response, error) {
	namespace, known := h.table.providerOf(r.ID().Name())
	if !known {
		return nil, errNamespace(r.ID().Name())
	}
	return ok(h.provider(r, namespace))
}

// registerProvider only answers: every provider of Midas is always registered in every subscription.
func (h *Handler) registerProvider(ctx context.Context, r *Request) (*Response, error) {
	response, err := h.getProvider(ctx, r)
	if err != nil {
		return nil, err
	}
	return h.logged(ctx, r, response)
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

// providerOf returns the namespace of the provider that a client asks for, and whether Midas serves it. A
// provider that is listed but not in the table is served too; its description has no types.
func (t *table) providerOf(asked string) (string, bool) {
	if namespace, known := t.namespace(asked); known {
		return namespace, true
	}
	return asked, t.generic.listed.has(arm.Fold(asked))
}

// provider describes a namespace from the operation table.
func (h *Handler) provider(r *Request, namespace string) wire.Provider {
	p := wire.Provider{Namespace: namespace, RegistrationPolicy: "RegistrationRequired", ResourceTypes: []wire.ProviderType{}}
	if scope := r.ID().SubscriptionScope(); !scope.IsRoot() {
		p.ID = scope.String() + "/providers/" + namespace
		p.RegistrationState = "Registered"
	}
	for _, typ := range h.table.types[arm.Fold(namespace)] {
		versions := h.table.versions(typ)
		slices.Reverse(versions) // newest first, as clients expect
		p.ResourceTypes = append(p.ResourceTypes, wire.ProviderType{
			ResourceType: typ.Path(), Locations: wire.RegionNames(), APIVersions: versions,
		})
	}
	return p
}

// namespaces returns the namespaces of the table, sorted.
func (t *table) namespaces() []string {
	var names []string
	for _, types := range t.types {
		names = append(names, types[0].Namespace())
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
