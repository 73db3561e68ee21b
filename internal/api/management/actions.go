package management

import (
	"context"
	"slices"
	"strings"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/rbac"
)

// actionsOf returns the RBAC actions of a provider: those that the operation table checks, those of the types
// in the catalogue, and registration.
func (t *table) actionsOf(namespace string) []wire.OperationInfo {
	if arm.SameName(namespace, string(typeOperations.Namespace())) {
		return wire.IdentityOperations()
	}
	var names []string
	add := func(name string) {
		if !slices.ContainsFunc(names, func(have string) bool { return arm.SameName(have, name) }) {
			names = append(names, name)
		}
	}
	if !isRegistrationFree(namespace) {
		add(namespace + "/register/action")
		add(namespace + "/unregister/action")
	}
	for i := range t.operations {
		if perform := t.operations[i].Perform; !strings.Contains(perform, "{") && arm.SameName(arm.Type(perform).Namespace(), namespace) {
			add(perform)
		}
	}
	for _, c := range t.catalogue[arm.Fold(namespace)] {
		for _, verb := range []string{"read", "write", "delete"} {
			add(string(c.typ) + "/" + verb)
		}
	}
	infos := make([]wire.OperationInfo, len(names))
	for i, name := range names {
		infos[i] = wire.EncodeOperation(namespace, name)
	}
	return append(infos, kubernetesActions(namespace)...)
}

// dataActions returns the names of the data actions in the built-in roles, by folded namespace. Those with a star
// are left out, because they are no names.
func dataActions() map[string][]string {
	all := map[string][]string{}
	for _, role := range rbac.Definitions() {
		for _, p := range role.Permissions {
			for _, name := range slices.Concat(p.DataActions, p.NotDataActions) {
				namespace := arm.Fold(arm.Type(name).Namespace())
				known := slices.ContainsFunc(all[namespace], func(have string) bool { return arm.SameName(have, name) })
				if !known && !strings.Contains(name, "*") {
					all[namespace] = append(all[namespace], name)
				}
			}
		}
	}
	return all
}

// catalogueFor encodes the actions and the data actions of a provider.
func (t *table) catalogueFor(namespace string, expand bool) wire.ProviderOperations {
	actions := wire.ProviderActions{Namespace: namespace, Actions: t.actionsOf(namespace)}
	for _, name := range t.dataActions()[arm.Fold(namespace)] {
		listed := slices.ContainsFunc(actions.Actions, func(a wire.OperationInfo) bool { return arm.SameName(a.Name, name) })
		if !listed { // among the actions of Kubernetes
			actions.Data = append(actions.Data, wire.EncodeOperation(namespace, name))
		}
	}
	return wire.EncodeProviderOperations(actions, expand)
}

// listOperations lists the actions of the provider in the path.
func (h *Handler) listOperations(_ context.Context, r *Request) (*Response, error) {
	namespace, _ := h.table.providerOf(r.Path.Type.Namespace()) // the route exists for known providers only
	return ok(wire.List[wire.OperationInfo]{Value: h.table.actionsOf(namespace)})
}

// listProviderOperations lists the actions of all providers.
func (h *Handler) listProviderOperations(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // the answer is large
		return nil, err
	}
	value := []wire.ProviderOperations{}
	for _, namespace := range h.table.namespaces() {
		value = append(value, h.table.catalogueFor(namespace, expandsTypes(r)))
	}
	return ok(wire.List[wire.ProviderOperations]{Value: value})
}

func (h *Handler) getProviderOperations(_ context.Context, r *Request) (*Response, error) {
	namespace, known := h.table.providerOf(r.ID().Name())
	if !known {
		return nil, errNamespace(r.ID().Name())
	}
	return ok(h.table.catalogueFor(namespace, expandsTypes(r)))
}

// expandsTypes reports whether a request asks for the operations by resource type too.
func expandsTypes(r *Request) bool {
	return arm.SameName(r.Query.Get("$expand"), "resourceTypes")
}
