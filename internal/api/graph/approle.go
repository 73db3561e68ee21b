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

// grant is an app role assignment with the names of its two ends.
type grant struct {
	directory.AppRoleAssignment
	principalType, principalName, resourceName string
}

func grantSchema() *schema[grant] {
	return &schema[grant]{typ: "appRoleAssignment", set: "appRoleAssignments", fields: []field[grant]{
		{name: "id", use: text, get: func(g grant) any { return g.ID }},
		readOnly("deletedDateTime", shown, func(grant) any { return nil }),
		readOnly("appRoleId", text, func(g grant) any { return g.AppRoleID }),
		readOnly("createdDateTime", times, func(g grant) any { return moment(g.Created) }),
		readOnly("principalDisplayName", text, func(g grant) any { return orNull(g.principalName) }),
		readOnly("principalId", text, func(g grant) any { return g.PrincipalID }),
		readOnly("principalType", text, func(g grant) any { return g.principalType }),
		readOnly("resourceDisplayName", text, func(g grant) any { return orNull(g.resourceName) }),
		readOnly("resourceId", text, func(g grant) any { return g.ResourceID }),
	}}
}

// grants names the ends of assignments. An assignment with an end that is gone is gone too.
func (h *Handler) grants(tx store.Tx, all []directory.AppRoleAssignment) ([]grant, error) {
	var found []grant
	for _, a := range all {
		g, err := h.grant(tx, a)
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

func (h *Handler) grant(tx store.Tx, a directory.AppRoleAssignment) (grant, error) {
	g := grant{AppRoleAssignment: a}
	resource, err := h.Directory.ServicePrincipal(tx, a.TenantID, a.ResourceID)
	if err != nil {
		return g, err
	}
	t, err := h.thing(tx, a.TenantID, a.PrincipalID)
	if err != nil {
		return g, err
	}
	g.resourceName, g.principalType = resource.DisplayName, t.kind
	g.principalName, _ = mixed{h}.value(t, "displayName").(string)
	return g, nil
}

// listGrants lists the roles that {id} was given.
func (h *Handler) listGrants(ctx context.Context, req *Request) (*Response, error) {
	return page(ctx, h, req, source[grant]{
		shape: h.appRoles, cursor: func(g grant) string { return g.ID },
		after: func(tx store.Tx, after string, limit int) ([]grant, string, error) {
			all, err := h.Directory.AppRoleAssignments(tx, req.Caller.tenant, req.Object.principal)
			if err != nil {
				return nil, "", err
			}
			if after != "" { // all come with the first batch
				all = slices.DeleteFunc(all, func(a directory.AppRoleAssignment) bool { return arm.Fold(a.ID) <= arm.Fold(after) })
			}
			found, err := h.grants(tx, all)
			return found, "", err
		},
	})
}

// listGranted lists who was given roles of {id}.
func (h *Handler) listGranted(ctx context.Context, req *Request) (*Response, error) {
	return page(ctx, h, req, source[grant]{
		shape: h.appRoles, cursor: func(g grant) string { return g.ID },
		after: func(tx store.Tx, after string, limit int) ([]grant, string, error) {
			all, err := h.Directory.AppRoleAssignedTo(tx, req.Caller.tenant, req.Object.id, after, limit)
			if err != nil {
				return nil, "", err
			}
			found, err := h.grants(tx, all)
			if err != nil || len(all) < limit {
				return found, "", err
			}
			return found, all[len(all)-1].ID, nil
		},
	})
}

// addGrant gives an app role. The body names both ends; {id} must be one of them.
func (h *Handler) addGrant(ctx context.Context, req *Request) (*Response, error) {
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
	var g grant
	err := h.update(ctx, req, func(tx store.Tx) error {
		if err := h.mayGrant(tx, req.Caller, a.ResourceID); err != nil {
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
		g, err = h.grant(tx, made)
		return err
	})
	if err != nil {
		return nil, err
	}
	return created(req, h.appRoles, g, g.ID), nil
}

// mayGrant asks for more where the resource is Microsoft Graph: its roles are privileges here.
func (h *Handler) mayGrant(tx store.Tx, c caller, resource string) error {
	graph, err := h.Directory.ServicePrincipalByAppID(tx, c.tenant, directory.GraphAppID)
	if err != nil {
		return err
	}
	if arm.SameName(resource, graph.ID) && c.may&assignGraphRoles == 0 {
		return errDenied()
	}
	return nil
}

// removeGrant takes an app role away that {id} was given, or that is of {id}.
func (h *Handler) removeGrant(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		a, err := h.findGrant(tx, req)
		if err != nil {
			return err
		}
		if err := h.mayGrant(tx, req.Caller, a.ResourceID); err != nil {
			return err
		}
		return h.Directory.RemoveAppRoleAssignment(tx, a.TenantID, a.PrincipalID, a.ID)
	})
	if err != nil {
		return nil, explain(err, req.Path.member)
	}
	return noContent(), nil
}

func (h *Handler) findGrant(tx store.Tx, req *Request) (directory.AppRoleAssignment, error) {
	a, err := h.Directory.AppRoleAssignment(tx, req.Caller.tenant, req.Object.id, req.Path.member)
	if !errors.Is(err, directory.ErrNotFound) {
		return a, err
	}
	return h.Directory.AppRoleAssignmentOf(tx, req.Caller.tenant, req.Object.id, req.Path.member)
}

// getGrant shows one assignment.
func (h *Handler) getGrant(ctx context.Context, req *Request) (*Response, error) {
	var g grant
	err := h.Store.View(ctx, func(tx store.Tx) error {
		a, err := h.findGrant(tx, req)
		if err == nil {
			g, err = h.grant(tx, a)
		}
		return err
	})
	if err != nil {
		return nil, explain(err, req.Path.member)
	}
	return entity(req, h.appRoles, g)
}

// noObjects answers lists that are always empty here.
func (h *Handler) noObjects(set string) func(context.Context, *Request) (*Response, error) {
	return func(_ context.Context, req *Request) (*Response, error) {
		if _, err := options(req, listOptions); err != nil {
			return nil, err
		}
		return &Response{Status: http.StatusOK, Body: object{{"@odata.context", req.context(set, nil, false)}, {"value", []any{}}}}, nil
	}
}
