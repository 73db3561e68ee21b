package graph

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

func roleByID(id string) (directory.DirectoryRole, bool) {
	for _, r := range directory.DirectoryRoles() {
		if arm.SameName(r.ID, id) {
			return r, true
		}
	}
	return directory.DirectoryRole{}, false
}

// roleSchema is the schema of directoryRole. The id of a role is the id of its template.
func roleSchema() *schema[directory.DirectoryRole] {
	type role = directory.DirectoryRole
	return &schema[role]{typ: "directoryRole", set: "directoryRoles", fields: []field[role]{
		{name: "id", use: text, get: func(r role) any { return r.ID }},
		readOnly("deletedDateTime", notQueryable, func(role) any { return nil }),
		readOnly("description", notQueryable, func(r role) any { return r.Description }),
		readOnly("displayName", text, func(r role) any { return r.DisplayName }),
		readOnly("roleTemplateId", text, func(r role) any { return r.ID }),
	}}
}

// roleDefinitionSchema is the schema of the same roles in the unified role management API.
func roleDefinitionSchema() *schema[directory.DirectoryRole] {
	type role = directory.DirectoryRole
	return &schema[role]{typ: "unifiedRoleDefinition", set: "roleManagement/directory/roleDefinitions", fields: []field[role]{
		{name: "id", use: text, get: func(r role) any { return r.ID }},
		readOnly("description", notQueryable, func(r role) any { return r.Description }),
		readOnly("displayName", text, func(r role) any { return r.DisplayName }),
		readOnly("isBuiltIn", boolean, func(role) any { return true }),
		readOnly("isEnabled", boolean, func(role) any { return true }),
		readOnly("templateId", text, func(r role) any { return r.ID }),
	}}
}

// roleSource is the source of all directory roles, with either schema.
func roleSource(s *schema[directory.DirectoryRole]) source[directory.DirectoryRole] {
	return source[directory.DirectoryRole]{
		shape: s, first: directory.DirectoryRoles(), cursor: func(r directory.DirectoryRole) string { return r.ID },
		after: func(store.Tx, string, int) ([]directory.DirectoryRole, string, error) { return nil, "", nil },
	}
}

func (h *Handler) listRoles(s *schema[directory.DirectoryRole]) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		return pageResponse(ctx, h, req, roleSource(s))
	}
}

func (h *Handler) getRole(s *schema[directory.DirectoryRole]) func(context.Context, *Request) (*Response, error) {
	return func(_ context.Context, req *Request) (*Response, error) {
		role, found := roleByID(req.Object.id)
		if !found {
			return nil, errNotFound(req.Object.name)
		}
		return entityResponse(req, s, role)
	}
}

// roleAssignment assigns a directory role to a principal.
type roleAssignment struct{ role, principal string }

// id encodes the ids of the role and the principal, in the form of Entra's ids.
func (r roleAssignment) id() string {
	a, errA := hex.DecodeString(strings.ReplaceAll(r.role, "-", ""))
	b, errB := hex.DecodeString(strings.ReplaceAll(r.principal, "-", ""))
	if errA != nil || errB != nil {
		return r.role + "." + r.principal
	}
	return base64.RawURLEncoding.EncodeToString(append(a, b...)) + "-1"
}

func parseRoleAssignmentID(id string) (roleAssignment, bool) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimSuffix(id, "-1"))
	if err != nil || len(b) != 32 {
		return roleAssignment{}, false
	}
	guid := func(b []byte) string {
		h := hex.EncodeToString(b)
		return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	return roleAssignment{guid(b[:16]), guid(b[16:])}, true
}

func roleAssignmentSchema() *schema[roleAssignment] {
	return &schema[roleAssignment]{typ: "unifiedRoleAssignment", set: "roleManagement/directory/roleAssignments", fields: []field[roleAssignment]{
		{name: "id", use: text, get: func(r roleAssignment) any { return r.id() }},
		readOnly("principalId", text, func(r roleAssignment) any { return r.principal }),
		readOnly("directoryScopeId", text, func(roleAssignment) any { return "/" }),
		readOnly("roleDefinitionId", text, func(r roleAssignment) any { return r.role }),
	}}
}

// maxRoleAssignments limits how many assignments of one role are listed.
const maxRoleAssignments = 2_000

func (h *Handler) listRoleAssignments(ctx context.Context, req *Request) (*Response, error) {
	return pageResponse(ctx, h, req, source[roleAssignment]{
		shape: h.roleAssignments, cursor: roleAssignment.id,
		after: func(tx store.Tx, after string, limit int) (all []roleAssignment, _ string, err error) {
			if all, err = h.allRoleAssignments(tx, req.Caller.tenant); err != nil {
				return nil, "", err
			}
			slices.SortFunc(all, func(a, b roleAssignment) int { return strings.Compare(a.id(), b.id()) })
			begin, found := slices.BinarySearchFunc(all, after, func(a roleAssignment, id string) int { return strings.Compare(a.id(), id) })
			if found {
				begin++
			}
			return all[begin:], "", nil
		},
	})
}

func (h *Handler) allRoleAssignments(tx store.Tx, tenant string) (all []roleAssignment, err error) {
	for _, role := range directory.DirectoryRoles() {
		ids, err := h.Directory.DirectoryRoleMembers(tx, tenant, role.ID, "", maxRoleAssignments)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			switch _, err := h.Directory.ObjectType(tx, tenant, id); {
			case err == nil:
				all = append(all, roleAssignment{role.ID, id})
			case !errors.Is(err, directory.ErrNotFound):
				return nil, err
			}
		}
	}
	return all, nil
}

func (h *Handler) createRoleAssignment(ctx context.Context, req *Request) (*Response, error) {
	var r roleAssignment
	scope := "/"
	for name, at := range map[string]*string{"principalId": &r.principal, "roleDefinitionId": &r.role} {
		if json.Unmarshal(req.Body[name], at) != nil || !arm.IsGUID(*at) {
			return nil, errValue(name)
		}
		*at = arm.Fold(*at)
	}
	if raw, given := req.Body["directoryScopeId"]; given && (json.Unmarshal(raw, &scope) != nil || scope != "/") {
		return nil, errBadRequest("The directoryScopeId must be '/': there are no administrative units here.")
	}
	err := h.update(ctx, req, func(tx store.Tx) error {
		return h.Directory.AssignDirectoryRole(tx, req.Caller.tenant, r.role, r.principal)
	})
	if errors.Is(err, directory.ErrExists) {
		return nil, errBadRequest("A conflicting object with one or more of the specified property values is present in the directory.")
	}
	if err != nil {
		return nil, graphError(err, r.principal)
	}
	return createdResponse(req, h.roleAssignments, r, r.id()), nil
}

// findRoleAssignment reads the assignment with the id {id}, or returns directory.ErrNotFound.
func (h *Handler) findRoleAssignment(tx store.Tx, req *Request) (roleAssignment, error) {
	r, ok := parseRoleAssignmentID(req.Path.id.text)
	if !ok {
		return r, directory.ErrNotFound
	}
	roles, err := h.Directory.DirectoryRoles(tx, req.Caller.tenant, r.principal)
	if err == nil && !slices.Contains(roles, r.role) {
		err = directory.ErrNotFound
	}
	return r, err
}

func (h *Handler) getRoleAssignment(ctx context.Context, req *Request) (_ *Response, err error) {
	var r roleAssignment
	err = h.Store.View(ctx, func(tx store.Tx) error {
		r, err = h.findRoleAssignment(tx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.roleAssignments, r)
}

func (h *Handler) deleteRoleAssignment(ctx context.Context, req *Request) (*Response, error) {
	err := h.update(ctx, req, func(tx store.Tx) error {
		r, err := h.findRoleAssignment(tx, req)
		if err != nil {
			return err
		}
		return h.Directory.RemoveDirectoryRole(tx, req.Caller.tenant, r.role, r.principal)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}
