package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
)

// maxRefs is how many references of each kind one request may add. A group with so many members and so
// many owners still fits into one transaction: each takes three of its keys.
const maxRefs = 20

// parseRef reads the URL by which a client refers to an object, https://…/directoryObjects/{id}. Only
// its end counts: clients write the host that they know.
func parseRef(raw json.RawMessage) (string, error) {
	var ref string
	if json.Unmarshal(raw, &ref) != nil {
		return "", errBadRequest("The reference to an object is not a text.")
	}
	u, err := url.Parse(ref)
	if err != nil {
		return "", errBadRequest("Invalid URL format specified in the reference '%s'.", clip(ref))
	}
	_, id, _ := cutLast(strings.TrimSuffix(u.Path, "/"))
	if _, key, found := strings.Cut(id, "("); found {
		id, _ = unquote(strings.TrimSuffix(key, ")"))
	}
	if !arm.IsGUID(id) {
		return "", errBadRequest("Invalid object identifier in the reference '%s'.", clip(ref))
	}
	return id, nil
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// takeRefs takes the references of an annotation such as "members@odata.bind" out of a body.
func takeRefs(body map[string]json.RawMessage, name string) ([]string, error) {
	raw, given := body[name+bindSuffix]
	delete(body, name+bindSuffix)
	if !given {
		return nil, nil
	}
	var refs []json.RawMessage
	if json.Unmarshal(raw, &refs) != nil || len(refs) > maxRefs {
		return nil, errBadRequest("The property '%s' must be a list of at most %d references.", name+bindSuffix, maxRefs)
	}
	var ids []string
	for _, ref := range refs {
		id, err := parseRef(ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// collection is a list of references that an object has.
type collection struct {
	name   string
	add    func(d *directory.Directory, tx store.Tx, tenant, object, other string) error
	remove func(d *directory.Directory, tx store.Tx, tenant, object, other string) error
	list   func(d *directory.Directory, tx store.Tx, tenant, object, after string, limit int) ([]string, error)
}

var (
	membersOf = collection{"members", (*directory.Directory).AddMember, (*directory.Directory).RemoveMember, (*directory.Directory).Members}
	ownersOf  = collection{"owners", (*directory.Directory).AddOwner, (*directory.Directory).RemoveOwner, (*directory.Directory).Owners}
	holdersOf = collection{"members", (*directory.Directory).AssignDirectoryRole, (*directory.Directory).RemoveDirectoryRole, (*directory.Directory).DirectoryRoleMembers}
)

// addAll adds references in the transaction of the request: all of them or none.
func (h *Handler) addAll(tx store.Tx, c collection, tenant, object string, ids []string) error {
	for _, id := range ids {
		err := c.add(h.Directory, tx, tenant, object, id)
		if errors.Is(err, directory.ErrExists) {
			return errBadRequest("One or more added object references already exist for the following modified properties: '%s'.", c.name)
		}
		if err != nil {
			return explain(err, id)
		}
	}
	return nil
}

// addRef serves POST …/{collection}/$ref.
func (h *Handler) addRef(c collection) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		raw, given := req.Body[idAnnotation]
		if !given || len(req.Body) > 1 {
			return nil, errBadRequest("The body must have the property '%s' and no other.", idAnnotation)
		}
		id, err := parseRef(raw)
		if err != nil {
			return nil, err
		}
		err = h.update(ctx, req, func(tx store.Tx) error {
			return h.addAll(tx, c, req.Caller.tenant, req.Object.id, []string{id})
		})
		if err != nil {
			return nil, err
		}
		return noContent(), nil
	}
}

// removeRef serves DELETE …/{collection}/{member}/$ref.
func (h *Handler) removeRef(c collection) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		err := h.update(ctx, req, func(tx store.Tx) error {
			return c.remove(h.Directory, tx, req.Caller.tenant, req.Object.id, req.Path.member)
		})
		if err != nil {
			return nil, explain(err, req.Path.member)
		}
		return noContent(), nil
	}
}
