package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// appRoleAssignment is an app role assignment with the display names of its principal and its resource.
type appRoleAssignment struct {
	directory.AppRoleAssignment
	principalType, principalName, resourceName string
}

func appRoleAssignmentSchema() *schema[appRoleAssignment] {
	return &schema[appRoleAssignment]{typ: "appRoleAssignment", set: "appRoleAssignments", fields: []field[appRoleAssignment]{
		{name: "id", use: text, get: func(g appRoleAssignment) any { return g.ID }},
		readOnly("deletedDateTime", notQueryable, func(appRoleAssignment) any { return nil }),
		readOnly("appRoleId", text, func(g appRoleAssignment) any { return g.AppRoleID }),
		readOnly("createdDateTime", dateTime, func(g appRoleAssignment) any { return timeOrNull(g.Created) }),
		readOnly("principalDisplayName", text, func(g appRoleAssignment) any { return orNull(g.principalName) }),
		readOnly("principalId", text, func(g appRoleAssignment) any { return g.PrincipalID }),
		readOnly("principalType", text, func(g appRoleAssignment) any { return g.principalType }),
		readOnly("resourceDisplayName", text, func(g appRoleAssignment) any { return orNull(g.resourceName) }),
		readOnly("resourceId", text, func(g appRoleAssignment) any { return g.ResourceID }),
	}}
}

// loadAppRoleAssignments adds display names to assignments. It leaves out an assignment whose principal or
// resource no longer exists.
func (h *Handler) loadAppRoleAssignments(tx store.Tx, all []directory.AppRoleAssignment) ([]appRoleAssignment, error) {
	var found []appRoleAssignment
	for _, a := range all {
		g, err := h.loadAppRoleAssignment(tx, a)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, g)
	}
	return found, nil
}

func (h *Handler) loadAppRoleAssignment(tx store.Tx, a directory.AppRoleAssignment) (appRoleAssignment, error) {
	g := appRoleAssignment{AppRoleAssignment: a}
	resource, err := h.Directory.ServicePrincipal(tx, a.TenantID, a.ResourceID)
	if err != nil {
		return g, err
	}
	t, err := h.directoryObject(tx, a.TenantID, a.PrincipalID)
	if err != nil {
		return g, err
	}
	g.resourceName, g.principalType = resource.DisplayName, t.kind
	g.principalName, _ = directoryObjectShape{h: h}.value(t, "displayName").(string)
	return g, nil
}

// listAppRoleAssignments lists the app roles that are assigned to {id}.
func (h *Handler) listAppRoleAssignments(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, source[appRoleAssignment]{
		shape: h.appRoles, cursor: func(g appRoleAssignment) string { return g.ID },
		after: func(tx store.Tx, after string, limit int) ([]appRoleAssignment, string, error) {
			all, err := h.Directory.AppRoleAssignments(tx, req.Caller.tenant, req.Object.principal)
			if err != nil {
				return nil, "", err
			}
			if after != "" { // all come with the first batch
				all = slices.DeleteFunc(all, func(a directory.AppRoleAssignment) bool { return arm.Fold(a.ID) <= arm.Fold(after) })
			}
			found, err := h.loadAppRoleAssignments(tx, all)
			return found, "", err
		},
	})
}

// listAppRoleAssignedTo lists the principals that have app roles of {id}.
func (h *Handler) listAppRoleAssignedTo(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, source[appRoleAssignment]{
		shape: h.appRoles, cursor: func(g appRoleAssignment) string { return g.ID },
		after: func(tx store.Tx, after string, limit int) ([]appRoleAssignment, string, error) {
			all, err := h.Directory.AppRoleAssignedTo(tx, req.Caller.tenant, req.Object.id, after, limit)
			if err != nil {
				return nil, "", err
			}
			found, err := h.loadAppRoleAssignments(tx, all)
			if err != nil || len(all) < limit {
				return found, "", err
			}
			return found, all[len(all)-1].ID, nil
		},
	})
}

// assignAppRole creates an app role assignment. The body names the principal and the resource; {id} must be
// one of the two.
func (h *Handler) assignAppRole(ctx context.Context, req *Request) (*Response, error) {
	a := directory.AppRoleAssignment{TenantID: req.Caller.tenant, Created: h.Now().UTC()}
	for name, at := range map[string]*string{"principalId": &a.PrincipalID, "resourceId": &a.ResourceID, "appRoleId": &a.AppRoleID} {
		if json.Unmarshal(req.Body[name], at) != nil || !arm.IsGUID(*at) {
			return nil, errValue(name)
		}
		*at = arm.Fold(*at)
	}
	if !arm.SameName(a.PrincipalID, req.Object.id) && !arm.SameName(a.ResourceID, req.Object.id) {
		return nil, errBadRequest("The object of the URL must be the principal or the resource of the app role assignment.")
	}
	var g appRoleAssignment
	err := h.update(ctx, req, func(tx store.Tx) error {
		if err := h.mayAssignAppRole(tx, req.Caller, a.ResourceID); err != nil {
			return err
		}
		made, err := h.Directory.AssignAppRole(tx, a)
		if errors.Is(err, directory.ErrExists) {
			return errBadRequest("Permission being assigned already exists on the object")
		}
		if errors.Is(err, directory.ErrInvalid) {
			return errBadRequest("Permission being assigned was not found on application '%s'", a.ResourceID)
		}
		if err != nil {
			return err
		}
		g, err = h.loadAppRoleAssignment(tx, made)
		return err
	})
	if err != nil {
		return nil, err
	}
	return createdResponse(req, h.appRoles, g, g.ID), nil
}

// mayAssignAppRole requires an additional privilege for app roles of Microsoft Graph, because this API
// enforces them as privileges.
func (h *Handler) mayAssignAppRole(tx store.Tx, c caller, resource string) error {
	graph, err := h.Directory.ServicePrincipalByAppID(tx, c.tenant, directory.GraphAppID)
	if err != nil {
		return err
	}
	if arm.SameName(resource, graph.ID) && c.may&assignGraphRoles == 0 {
		return errDenied()
	}
	return nil
}

// removeAppRoleAssignment deletes an assignment whose principal or resource is {id}.
func (h *Handler) removeAppRoleAssignment(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		a, err := h.findAppRoleAssignment(tx, req)
		if err != nil {
			return err
		}
		if err := h.mayAssignAppRole(tx, req.Caller, a.ResourceID); err != nil {
			return err
		}
		return h.Directory.RemoveAppRoleAssignment(tx, a.TenantID, a.PrincipalID, a.ID)
	})
	if err != nil {
		return nil, graphError(err, req.Path.member)
	}
	return noContentResponse(), nil
}

func (h *Handler) findAppRoleAssignment(tx store.Tx, req *Request) (directory.AppRoleAssignment, error) {
	a, err := h.Directory.AppRoleAssignment(tx, req.Caller.tenant, req.Object.id, req.Path.member)
	if !errors.Is(err, directory.ErrNotFound) {
		return a, err
	}
	return h.Directory.AppRoleAssignmentOf(tx, req.Caller.tenant, req.Object.id, req.Path.member)
}

// getAppRoleAssignment reads one assignment.
func (h *Handler) getAppRoleAssignment(ctx context.Context, req *Request) (*Response, error) {
	var g appRoleAssignment
	err := h.Store.View(ctx, func(tx store.Tx) error {
		a, err := h.findAppRoleAssignment(tx, req)
		if err == nil {
			g, err = h.loadAppRoleAssignment(tx, a)
		}
		return err
	})
	if err != nil {
		return nil, graphError(err, req.Path.member)
	}
	return entityResponse(req, h.appRoles, g)
}

// emptyCollection serves a collection that is always empty here.
func (h *Handler) emptyCollection(set string) func(context.Context, *Request) (*Response, error) {
	return func(_ context.Context, req *Request) (*Response, error) {
		if _, err := options(req, listOptions); err != nil {
			return nil, err
		}
		return &Response{Status: http.StatusOK, Body: object{{"@odata.context", req.context(set, nil, false)}, {"value", []any{}}}}, nil
	}
}
