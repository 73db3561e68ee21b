package graph

import (
	"context"
	"encoding/json"
	"errors"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// permissionGrant grants a client delegated permissions at a resource.
type permissionGrant = directory.PermissionGrant

func permissionGrantSchema() *schema[permissionGrant] {
	return &schema[permissionGrant]{typ: "oAuth2PermissionGrant", set: "oauth2PermissionGrants", fields: []field[permissionGrant]{
		{name: "clientId", use: text, get: func(g permissionGrant) any { return g.ClientID }},
		readOnly("consentType", text, func(g permissionGrant) any { return g.ConsentType }),
		readOnly("id", text, func(g permissionGrant) any { return g.ID }),
		readOnly("principalId", text, func(g permissionGrant) any { return orNull(g.PrincipalID) }),
		readOnly("resourceId", text, func(g permissionGrant) any { return g.ResourceID }),
		readOnly("scope", text, func(g permissionGrant) any { return g.Scope }),
	}}
}

// permissionGrantOperations are the operations on permission grants.
func (h *Handler) permissionGrantOperations() []Operation {
	const set, read = "oauth2PermissionGrants", readApplications | grantPermissions
	return []Operation{
		{Method: get, Path: set, Needs: read, Serve: h.listPermissionGrants},
		{Method: post, Path: set, Needs: grantPermissions, Serve: h.createPermissionGrant},
		{Method: get, Path: set + "/{id}", Needs: read, Serve: h.getPermissionGrant},
		{Method: patch, Path: set + "/{id}", Needs: grantPermissions, Serve: h.updatePermissionGrant},
		{Method: remove, Path: set + "/{id}", Needs: grantPermissions, Serve: h.deletePermissionGrant},
		{Method: get, Path: "servicePrincipals/{id}/" + set, Needs: read, Self: true, Owner: true, Serve: h.listPermissionGrantsOf(directory.GrantClient)},
		{Method: get, Path: "users/{id}/" + set, Needs: read, Self: true, Serve: h.listPermissionGrantsOf(directory.GrantUser)},
	}
}

// listPermissionGrants lists all grants, or uses the index of the client, the user or the resource that
// the filter names.
func (h *Handler) listPermissionGrants(ctx context.Context, req *Request) (*Response, error) {
	q, err := options(req, listOptions)
	if err != nil {
		return nil, err
	}
	tenant := req.Caller.tenant
	for _, by := range []struct {
		name string
		end  directory.GrantEnd
	}{{"principalId", directory.GrantUser}, {"clientId", directory.GrantClient}, {"resourceId", directory.GrantResource}} {
		if object, named := q.filter.equal(by.name); named {
			return pageResponse(ctx, h, req, h.permissionGrantSource(tenant, func(tx store.Tx, after string, limit int) ([]permissionGrant, error) {
				return h.Directory.PermissionGrantsOf(tx, tenant, by.end, object, after, limit)
			}))
		}
	}
	return pageResponse(ctx, h, req, h.permissionGrantSource(tenant, func(tx store.Tx, after string, limit int) ([]permissionGrant, error) {
		return h.Directory.PermissionGrants(tx, tenant, after, limit)
	}))
}

// listPermissionGrantsOf lists the grants of {id}.
func (h *Handler) listPermissionGrantsOf(end directory.GrantEnd) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		tenant := req.Caller.tenant
		return pageResponse(ctx, h, req, h.permissionGrantSource(tenant, func(tx store.Tx, after string, limit int) ([]permissionGrant, error) {
			return h.Directory.PermissionGrantsOf(tx, tenant, end, req.Object.id, after, limit)
		}))
	}
}

// permissionGrantSource omits grants whose client, resource or user no longer exists.
func (h *Handler) permissionGrantSource(tenant string, list func(store.Tx, string, int) ([]permissionGrant, error)) source[permissionGrant] {
	return source[permissionGrant]{
		shape: h.permissionGrants, cursor: func(g permissionGrant) string { return g.ID },
		after: func(tx store.Tx, after string, limit int) (found []permissionGrant, last string, err error) {
			all, err := list(tx, after, limit)
			if err != nil {
				return nil, "", err
			}
			if len(all) == limit {
				last = all[limit-1].ID
			}
			for _, g := range all {
				switch err := h.checkGrantEnds(tx, tenant, g); {
				case err == nil:
					found = append(found, g)
				case !errors.Is(err, directory.ErrNotFound):
					return nil, "", err
				}
			}
			return found, last, nil
		},
	}
}

// checkGrantEnds returns directory.ErrNotFound if the client, the resource or the user of a grant no longer
// exists.
func (h *Handler) checkGrantEnds(tx store.Tx, tenant string, g permissionGrant) error {
	for _, principal := range []string{g.ClientID, g.ResourceID} {
		if _, err := h.Directory.ServicePrincipal(tx, tenant, principal); err != nil {
			return err
		}
	}
	if g.PrincipalID == "" {
		return nil
	}
	_, err := h.Directory.User(tx, tenant, g.PrincipalID)
	return err
}

func (h *Handler) getPermissionGrant(ctx context.Context, req *Request) (_ *Response, err error) {
	var g permissionGrant
	err = h.Store.View(ctx, func(tx store.Tx) error {
		if g, err = h.Directory.PermissionGrant(tx, req.Caller.tenant, req.Object.id); err != nil {
			return err
		}
		return h.checkGrantEnds(tx, req.Caller.tenant, g)
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.permissionGrants, g)
}

func (h *Handler) createPermissionGrant(ctx context.Context, req *Request) (*Response, error) {
	g, err := readPermissionGrant(req.Body)
	if err != nil {
		return nil, err
	}
	g.TenantID, g.Created = req.Caller.tenant, h.Now().UTC()
	err = h.update(ctx, req, func(tx store.Tx) error {
		made, err := h.Directory.CreatePermissionGrant(tx, g)
		if errors.Is(err, directory.ErrExists) {
			return errBadRequest("Permission entry already exists.")
		}
		if err == nil {
			g = made
		}
		return graphError(err, g.ClientID)
	})
	if err != nil {
		return nil, err
	}
	return createdResponse(req, h.permissionGrants, g, g.ID), nil
}

// readPermissionGrant reads the body of a new grant. startTime and expiryTime belong to an earlier version
// of Graph; clients still send them and they are ignored.
func readPermissionGrant(body map[string]json.RawMessage) (g permissionGrant, err error) {
	at := map[string]*string{
		"clientId": &g.ClientID, "resourceId": &g.ResourceID, "principalId": &g.PrincipalID, "consentType": &g.ConsentType, "scope": &g.Scope,
	}
	for name, raw := range body {
		to, known := at[name]
		switch {
		case name == "startTime" || name == "expiryTime":
		case !known:
			return g, errBadRequest("Invalid property '%s'.", clip(name))
		case isNull(raw):
		case json.Unmarshal(raw, to) != nil:
			return g, errValue(name)
		}
	}
	for _, name := range []string{"clientId", "resourceId", "principalId"} {
		id := at[name]
		if !arm.IsGUID(*id) && (name != "principalId" || *id != "") {
			return g, errValue(name)
		}
		*id = arm.Fold(*id)
	}
	switch g.ConsentType {
	case directory.ConsentAllPrincipals:
	case directory.ConsentPrincipal:
		if g.PrincipalID == "" {
			return g, errBadRequest("A value is required for property 'principalId' of resource 'OAuth2PermissionGrant'.")
		}
	default:
		return g, errValue("consentType")
	}
	return g, nil
}

// updatePermissionGrant replaces the scope, which is the only property that can change.
func (h *Handler) updatePermissionGrant(ctx context.Context, req *Request) (*Response, error) {
	var scope string
	for name, raw := range req.Body {
		switch {
		case name != "scope":
			return nil, errBadRequest("Property '%s' is read-only and cannot be set.", clip(name))
		case json.Unmarshal(raw, &scope) != nil:
			return nil, errValue(name)
		}
	}
	err := h.update(ctx, req, func(tx store.Tx) error {
		if len(req.Body) == 0 {
			_, err := h.Directory.PermissionGrant(tx, req.Caller.tenant, req.Object.id)
			return err
		}
		_, err := h.Directory.SetPermissions(tx, req.Caller.tenant, req.Object.id, scope)
		return err
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

func (h *Handler) deletePermissionGrant(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		return h.Directory.DeletePermissionGrant(tx, req.Caller.tenant, req.Object.id)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}
