package graph

import (
	"context"
	"errors"
	"slices"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// directoryObject is an object of any kind, in collections of several kinds.
type directoryObject struct {
	kind      string
	id        string
	user      directory.User
	group     directory.Group
	app       application
	principal principal
	role      directory.DirectoryRole
}

// directoryObjectShape is the shape of directory objects. The JSON of an object contains only the selected
// properties that its kind defines. cast is the only kind in the collection if the path names one; such a
// collection has the name and the properties of that kind.
type directoryObjectShape struct {
	h    *Handler
	cast string
}

// kindShape is what schemas of all kinds have.
type kindShape interface {
	names() (typ, set string)
	use(name string) (use, bool)
}

// kind is the schema of a kind of objects.
func (m directoryObjectShape) kind(kind string) kindShape {
	switch {
	case arm.SameName(kind, directory.ObjectUser):
		return m.h.users
	case arm.SameName(kind, directory.ObjectGroup):
		return m.h.groups
	case arm.SameName(kind, directory.ObjectServicePrincipal):
		return m.h.principals
	case arm.SameName(kind, directory.ObjectApplication):
		return m.h.applications
	}
	return m.h.roles
}

func (m directoryObjectShape) names() (typ, set string) {
	if m.cast != "" {
		return m.kind(m.cast).names()
	}
	return "directoryObject", "directoryObjects"
}

func (m directoryObjectShape) use(name string) (use, bool) {
	if m.cast != "" {
		return m.kind(m.cast).use(name)
	}
	for _, kind := range objectKinds() {
		if u, known := m.kind(kind).use(name); known {
			return u, true
		}
	}
	return notQueryable, false
}

func (m directoryObjectShape) value(t directoryObject, name string) any {
	switch t.kind {
	case directory.ObjectUser:
		return m.h.users.value(t.user, name)
	case directory.ObjectGroup:
		return m.h.groups.value(t.group, name)
	case directory.ObjectServicePrincipal:
		return m.h.principals.value(t.principal, name)
	case directory.ObjectApplication:
		return m.h.applications.value(t.app, name)
	}
	return m.h.roles.value(t.role, name)
}

func (m directoryObjectShape) object(t directoryObject, selected []string) (o object) {
	switch t.kind {
	case directory.ObjectUser:
		o = m.h.users.object(t.user, selected)
	case directory.ObjectGroup:
		o = m.h.groups.object(t.group, selected)
	case directory.ObjectServicePrincipal:
		o = m.h.principals.object(t.principal, selected)
	case directory.ObjectApplication:
		o = m.h.applications.object(t.app, selected)
	default:
		o = m.h.roles.object(t.role, selected)
	}
	if m.cast != "" { // the context of the collection names the type
		return o
	}
	typ, _ := m.kind(t.kind).names()
	return o.prefixed(property{"@odata.type", "#" + castPrefix + typ})
}

// directoryObject reads an object of any kind, or returns directory.ErrNotFound.
func (h *Handler) directoryObject(tx store.Tx, tenant, id string) (t directoryObject, err error) {
	if role, found := roleByID(id); found {
		return directoryObject{kind: kindRole, id: role.ID, role: role}, nil
	}
	t.id = id
	if t.kind, err = h.Directory.ObjectType(tx, tenant, id); err != nil {
		return t, err
	}
	switch t.kind {
	case directory.ObjectUser:
		t.user, err = h.Directory.User(tx, tenant, id)
	case directory.ObjectGroup:
		t.group, err = h.Directory.Group(tx, tenant, id)
	case directory.ObjectServicePrincipal:
		t.principal, err = h.principal(tx, tenant, id)
	default:
		t.app, err = h.application(tx, tenant, id)
	}
	return t, err
}

// directoryObjects reads the objects with the given ids that exist and have the kind that the path's cast
// names. It checks no rights: a caller who may read a group may also read its members.
func (h *Handler) directoryObjects(tx store.Tx, req *Request, ids []string) ([]directoryObject, error) {
	var found []directoryObject
	for _, id := range ids {
		t, err := h.directoryObject(tx, req.Caller.tenant, id)
		if errors.Is(err, directory.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if req.Path.cast != "" && !arm.SameName(req.Path.cast, t.kind) {
			continue
		}
		t.id = id
		found = append(found, t)
	}
	return found, nil
}

func objectKinds() []string {
	return []string{directory.ObjectUser, directory.ObjectGroup, directory.ObjectServicePrincipal, directory.ObjectApplication, kindRole}
}

// checkCast refuses casts to types that this API does not have.
func checkCast(req *Request) error {
	if req.Path.cast != "" && !slices.ContainsFunc(objectKinds(), func(k string) bool { return arm.SameName(k, req.Path.cast) }) {
		return errSegment(castPrefix + req.Path.cast)
	}
	return nil
}

// references is the source of the objects that an object refers to.
func (h *Handler) references(c relationship, req *Request) source[directoryObject] {
	return source[directoryObject]{
		shape: directoryObjectShape{h, req.Path.cast}, cursor: func(t directoryObject) string { return t.id },
		after: func(tx store.Tx, after string, limit int) ([]directoryObject, string, error) {
			ids, err := c.list(h.Directory, tx, req.Caller.tenant, req.Object.id, after, limit)
			if err != nil {
				return nil, "", err
			}
			found, err := h.directoryObjects(tx, req, ids)
			if err != nil || len(ids) < limit {
				return found, "", err
			}
			return found, ids[len(ids)-1], nil
		},
	}
}

// listReferences serves GET …/{relationship}: the referenced objects.
func (h *Handler) listReferences(c relationship) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		if err := checkCast(req); err != nil {
			return nil, err
		}
		return pageResponse(ctx, h, req, h.references(c, req))
	}
}

// countReferences serves GET …/{relationship}/$count.
func (h *Handler) countReferences(c relationship) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		if err := checkCast(req); err != nil {
			return nil, err
		}
		return countResponse(ctx, h, req, h.references(c, req))
	}
}

// idSource is the source of the objects whose ids are read as a whole.
func (h *Handler) idSource(ids func(tx store.Tx, req *Request) ([]string, error), req *Request) source[directoryObject] {
	return source[directoryObject]{
		shape: directoryObjectShape{h, req.Path.cast}, cursor: func(t directoryObject) string { return t.id },
		after: func(tx store.Tx, after string, limit int) ([]directoryObject, string, error) {
			all, err := ids(tx, req)
			if err != nil {
				return nil, "", err
			}
			slices.Sort(all)
			begin, found := slices.BinarySearch(all, after)
			if found {
				begin++
			}
			rest := all[begin:]
			last := ""
			if len(rest) > limit {
				rest, last = rest[:limit], rest[limit-1]
			}
			objects, err := h.directoryObjects(tx, req, rest)
			return objects, last, err
		},
	}
}

// listIDs serves a collection of objects whose ids are read as a whole.
func (h *Handler) listIDs(ids func(tx store.Tx, req *Request) ([]string, error)) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		if err := checkCast(req); err != nil {
			return nil, err
		}
		return pageResponse(ctx, h, req, h.idSource(ids, req))
	}
}

// countIDs serves $count of such a collection.
func (h *Handler) countIDs(ids func(tx store.Tx, req *Request) ([]string, error)) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		if err := checkCast(req); err != nil {
			return nil, err
		}
		return countResponse(ctx, h, req, h.idSource(ids, req))
	}
}

func (h *Handler) memberOf(tx store.Tx, req *Request) ([]string, error) {
	return h.withRoles(tx, req, h.Directory.MemberOf)
}

func (h *Handler) transitiveMemberOf(tx store.Tx, req *Request) ([]string, error) {
	return h.withRoles(tx, req, h.Directory.TransitiveMemberOf)
}

// withRoles appends the directory roles to the groups, as Graph's memberOf does.
func (h *Handler) withRoles(tx store.Tx, req *Request, groups func(store.Tx, string, string) ([]string, error)) ([]string, error) {
	ids, err := groups(tx, req.Caller.tenant, req.Object.principal)
	if err != nil {
		return nil, err
	}
	roles, err := h.Directory.DirectoryRoles(tx, req.Caller.tenant, req.Object.principal)
	return append(ids, roles...), err
}

func (h *Handler) transitiveMembers(tx store.Tx, req *Request) ([]string, error) {
	return h.Directory.TransitiveMembers(tx, req.Caller.tenant, req.Object.id)
}

func (h *Handler) ownedObjects(tx store.Tx, req *Request) ([]string, error) {
	return h.Directory.OwnedObjects(tx, req.Caller.tenant, req.Object.principal)
}
