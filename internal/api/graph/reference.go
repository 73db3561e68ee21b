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

// maxReferences is the maximum number of references of each kind that one request may add. A group with 20
// members and 20 owners still fits into one transaction, because each reference takes three of its keys.
const maxReferences = 20

// parseReference reads the object id from a URL https://…/directoryObjects/{id}. It ignores the host,
// because clients send the host of the cloud that they know.
func parseReference(raw json.RawMessage) (string, error) {
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

// takeReferences removes an annotation such as "members@odata.bind" from a body and returns its object ids.
func takeReferences(body map[string]json.RawMessage, name string) ([]string, error) {
	raw, given := body[name+bindSuffix]
	delete(body, name+bindSuffix)
	if !given {
		return nil, nil
	}
	var refs []json.RawMessage
	if json.Unmarshal(raw, &refs) != nil || len(refs) > maxReferences {
		return nil, errBadRequest("The property '%s' must be a list of at most %d references.", name+bindSuffix, maxReferences)
	}
	var ids []string
	for _, ref := range refs {
		id, err := parseReference(ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// relationship is a kind of reference between objects, such as a group's members.
type relationship struct {
	name   string
	add    func(d *directory.Directory, tx store.Tx, tenant, object, other string) error
	remove func(d *directory.Directory, tx store.Tx, tenant, object, other string) error
	list   func(d *directory.Directory, tx store.Tx, tenant, object, after string, limit int) ([]string, error)
}

var (
	membersOf     = relationship{"members", (*directory.Directory).AddMember, (*directory.Directory).RemoveMember, (*directory.Directory).Members}
	ownersOf      = relationship{"owners", (*directory.Directory).AddOwner, (*directory.Directory).RemoveOwner, (*directory.Directory).Owners}
	roleMembersOf = relationship{"members", (*directory.Directory).AssignDirectoryRole, (*directory.Directory).RemoveDirectoryRole, (*directory.Directory).DirectoryRoleMembers}
)

// addReferences adds references in the transaction of the request.
func (h *Handler) addReferences(tx store.Tx, c relationship, tenant, object string, ids []string) error {
	for _, id := range ids {
		err := c.add(h.Directory, tx, tenant, object, id)
		if errors.Is(err, directory.ErrExists) {
			return errBadRequest("One or more added object references already exist for the following modified properties: '%s'.", c.name)
		}
		if err != nil {
			return graphError(err, id)
		}
	}
	return nil
}

// addReference serves POST …/{relationship}/$ref.
func (h *Handler) addReference(c relationship) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		raw, given := req.Body[idAnnotation]
		if !given || len(req.Body) > 1 {
			return nil, errBadRequest("The body must have the property '%s' and no other.", idAnnotation)
		}
		id, err := parseReference(raw)
		if err != nil {
			return nil, err
		}
		err = h.update(ctx, req, func(tx store.Tx) error {
			return h.addReferences(tx, c, req.Caller.tenant, req.Object.id, []string{id})
		})
		if err != nil {
			return nil, err
		}
		return noContentResponse(), nil
	}
}

// removeReference serves DELETE …/{relationship}/{member}/$ref.
func (h *Handler) removeReference(c relationship) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		err := h.update(ctx, req, func(tx store.Tx) error {
			return c.remove(h.Directory, tx, req.Caller.tenant, req.Object.id, req.Path.member)
		})
		if err != nil {
			return nil, graphError(err, req.Path.member)
		}
		return noContentResponse(), nil
	}
}
