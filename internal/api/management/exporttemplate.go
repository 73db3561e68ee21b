package management

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/resource"
	"midas/internal/store"
)

// maxExported is the maximum number of resources of one template, as in Azure.
const maxExported = 200

// exportTemplate makes a template of the resources of a group. Azure does this in a long-running operation; the
// answer here is its result. Resources that the caller may not read are not exported, and the error says so.
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
	found, err := h.Resources.Content(ctx, r.ID(), resource.Part{Limit: maxExported + 1})
	if err != nil {
		return nil, err
	}
	resources, err := h.Identities.WithIdentities(ctx, &found)
	if err != nil {
		return nil, err
	}
	if found.Next != "" || len(resources) > maxExported {
		return nil, errExportLimit(r.ID())
	}
	e := exporting{h: h, r: r, wanted: wanted, template: wire.NewTemplate(body)}
	for _, c := range resources {
		if err := e.add(ctx, c); err != nil {
			return nil, err
		}
	}
	if err := e.addMissing(ctx); err != nil {
		return nil, err
	}
	return e.response()
}

func errExportLimit(group arm.ID) error {
	return arm.Errorf(http.StatusBadRequest, "ExportTemplateResourceLimitExceeded",
		"The resource group '%s' has more resources, or the request names more, than a template can have: %d resources, or %d bytes.", group.Name(), maxExported, arm.PageBytes)
}

// exported returns the keys of the ids that a request wants to export, each with its spelling; nil for all.
func exported(group arm.ID, ids []string) (map[string]string, error) {
	if len(ids) == 1 && ids[0] == "*" {
		return nil, nil
	}
	if len(ids) > maxExported {
		return nil, errExportLimit(group)
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

// exporting is one request to export a template.
type exporting struct {
	h        *Handler
	r        *Request
	wanted   map[string]string // the ids that the request names and that are not exported yet, by key; nil for all
	template *wire.Template
	hidden   bool         // whether a request for all resources has left out some
	refused  []*arm.Error // for resources that the request names
}

// add adds a resource to the template, if it is wanted and the caller may read it.
func (e *exporting) add(ctx context.Context, c identity.Resource) error {
	id, err := arm.ParseID(c.ID)
	if err != nil || c.Type.Is(compute.Instance) { // the machines of a scale set are made by the set
		return err
	}
	if _, is := e.wanted[id.Key()]; e.wanted != nil && !is {
		return nil
	}
	readable, err := e.mayRead(ctx, id)
	if err != nil {
		return err
	}
	if !readable {
		e.hidden = e.wanted == nil // otherwise addMissing refuses it
		return nil
	}
	delete(e.wanted, id.Key())
	return e.template.Add(e.h.table.exportVersion(c), c, id)
}

// addMissing adds an error for each wanted resource that is not exported. The error for a resource that the caller
// may not read does not tell whether the resource exists.
func (e *exporting) addMissing(ctx context.Context) error {
	for _, key := range slices.Sorted(maps.Keys(e.wanted)) {
		id, err := arm.ParseID(e.wanted[key])
		if err != nil {
			return err
		}
		readable, err := e.mayRead(ctx, id)
		if err != nil {
			return err
		}
		failed := &arm.Error{Code: arm.CodeResourceNotFound, Target: id.String(), Message: "The resource '" + id.String() + "' was not found."}
		if !readable {
			failed.Code, failed.Message = codeExportProvider, "The client may not read the resource '"+id.String()+"'. It is not exported."
		}
		e.refused = append(e.refused, failed)
	}
	return nil
}

const codeExportProvider = "ExportTemplateProviderError"

// mayRead reports whether the caller may read a resource.
func (e *exporting) mayRead(ctx context.Context, id arm.ID) (readable bool, err error) {
	err = e.h.Store.View(ctx, func(tx store.Tx) error {
		readable, err = e.h.RBAC.Authorize(tx, e.r.Caller, arm.Fold(string(id.Type())+"/read"), id)
		return err
	})
	return readable, err
}

// exportVersion returns the api-version in which a template deploys a resource.
func (t *table) exportVersion(r identity.Resource) arm.Version {
	if r.Type.Is(identity.FederatedType) {
		return wire.ExportVersion(r.Properties)
	}
	for _, c := range t.catalogueOf(r.Type.Namespace()) {
		if c.typ.Is(r.Type) {
			return c.defaultVersion()
		}
	}
	versions := coreVersions() // a type that the catalogue does not have takes every version
	return versions[len(versions)-1]
}

// response returns the template. For resources that a request for all has left out, its error names no ids,
// because the caller may not know them.
func (e *exporting) response() (*Response, error) {
	out, refused := wire.Export{Template: *e.template}, e.refused
	if e.hidden {
		refused = append(refused, &arm.Error{Code: codeExportProvider, Message: "The resource group has resources that the client may not read. They are not exported."})
	}
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
