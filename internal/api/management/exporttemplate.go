package management

import (
	"context"
	"encoding/json"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/store"
)

// maxExported is the maximum number of resources of one template, as in Azure.
const maxExported = 200

// exportTemplate makes a template of the resources of a group. Azure does this in a long-running operation; the
// answer here is its result. A resource that the caller may not read is not exported, and the error says so.
func (h *Handler) exportTemplate(ctx context.Context, r *Request) (*Response, error) {
	var body wire.ExportBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if len(body.Resources) == 0 {
		return nil, arm.ErrInvalidContent("Required property 'resources' not found in JSON. Path ''")
	}
	if err := r.event.MakeList(ctx); err != nil {
		return nil, err
	}
	wanted, err := exported(r.ID(), body.Resources)
	if err != nil {
		return nil, err
	}
	found, err := h.Resources.Content(ctx, r.ID(), "", maxExported+1)
	if err != nil {
		return nil, err
	}
	resources, err := h.Identities.WithIdentities(ctx, &found)
	if err != nil {
		return nil, err
	}
	if found.Next != "" || len(resources) > maxExported {
		return nil, arm.Errorf(http.StatusBadRequest, "ExportTemplateResourceLimitExceeded",
			"The resource group '%s' has more resources than a template can have: %d resources, or %d bytes.", r.ID().Name(), maxExported, arm.PageBytes)
	}
	template := wire.NewTemplate(body)
	var refused []*arm.Error
	for _, c := range resources {
		failed, err := h.export(ctx, r, template, c, wanted)
		if err != nil {
			return nil, err
		}
		if failed != nil {
			refused = append(refused, failed)
		}
	}
	return exportResponse(template, append(refused, missing(wanted)...))
}

// exported returns the keys of the ids that a request wants to export, each with its spelling; nil for all.
func exported(group arm.ID, ids []string) (map[string]string, error) {
	if len(ids) == 1 && ids[0] == "*" {
		return nil, nil
	}
	wanted := map[string]string{}
	for _, text := range ids {
		id, err := arm.ParseID(text)
		if err != nil || !group.Contains(id) || !id.IsResource() {
			return nil, arm.Errorf(http.StatusBadRequest, "InvalidResourceId", "The resource identifier '%.300s' is not that of a resource in the resource group '%s'.", text, group.Name())
		}
		wanted[id.Key()] = id.String()
	}
	return wanted, nil
}

// export adds a resource to the template, if it is wanted and the caller may read it. It removes the
// resource from wanted. It returns an error for the answer if the caller may not read the resource.
func (h *Handler) export(ctx context.Context, r *Request, template *wire.Template, c identity.Resource, wanted map[string]string) (failed *arm.Error, err error) {
	id, err := arm.ParseID(c.ID)
	if err != nil || c.Type.Is(compute.Instance) { // the machines of a scale set are made by the set
		return nil, err
	}
	if _, is := wanted[id.Key()]; wanted != nil && !is {
		return nil, nil
	}
	delete(wanted, id.Key())
	readable := false
	err = h.Store.View(ctx, func(tx store.Tx) error {
		readable, err = h.RBAC.Authorize(tx, r.Caller, arm.Fold(string(c.Type)+"/read"), id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !readable {
		return &arm.Error{Code: "ExportTemplateProviderError", Target: c.ID, Message: "The client may not read the resource '" + c.ID + "'. It is not exported."}, nil
	}
	return nil, template.Add(h.table.exportVersion(c.Type), c, id)
}

// exportVersion returns the api-version in which a template deploys a type.
func (t *table) exportVersion(typ arm.Type) arm.Version {
	for _, c := range t.catalogueOf(typ.Namespace()) {
		if c.typ.Is(typ) {
			return c.defaultVersion()
		}
	}
	versions := coreVersions() // a type that the catalogue does not have takes every version
	return versions[len(versions)-1]
}

// missing returns an error for each wanted resource that was not found.
func missing(wanted map[string]string) (all []*arm.Error) {
	for _, id := range wanted {
		all = append(all, &arm.Error{Code: arm.CodeResourceNotFound, Target: id, Message: "The resource '" + id + "' was not found."})
	}
	return all
}

func exportResponse(template *wire.Template, refused []*arm.Error) (*Response, error) {
	out := wire.Export{Template: *template}
	if len(refused) > 0 {
		failed := arm.Error{
			Code:    "ExportTemplateCompletedWithErrors",
			Message: "Export template operation completed with errors. Some resources were not exported. Please see details for more information.",
			Details: refused,
		}
		encoded, err := json.Marshal(&failed)
		if err != nil {
			return nil, err
		}
		var wrapped struct{ Error json.RawMessage }
		if err := json.Unmarshal(encoded, &wrapped); err != nil {
			return nil, err
		}
		out.Error = &wrapped.Error
	}
	return ok(out)
}
