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

// maxGetByIDs and maxCheck are Graph's limits.
const (
	maxGetByIDs = 1000
	maxCheck    = 20
)

// getObject reads an object of any kind.
func (h *Handler) getObject(ctx context.Context, req *Request) (*Response, error) {
	q, err := options(req, entityOptions)
	if err != nil {
		return nil, err
	}
	if err := fits(q, directoryObjectShape{h: h}); err != nil {
		return nil, err
	}
	var t directoryObject
	err = h.Store.View(ctx, func(tx store.Tx) (err error) {
		t, err = h.directoryObject(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	if err != nil {
		return nil, err
	}
	body := directoryObjectShape{h: h}.object(t, q.selected).prefixed(property{"@odata.context", req.context("directoryObjects", q, true)})
	return &Response{Status: http.StatusOK, Body: body}, nil
}

// mayRead reports whether the caller may read an object. Every caller may read itself.
func (c caller) mayRead(t directoryObject) bool {
	return c.may&readPrivilege(t.kind) != 0 || arm.SameName(t.id, c.id)
}

// getByIDs returns those objects of the requested ids that exist and that the caller may read.
func (h *Handler) getByIDs(ctx context.Context, req *Request) (*Response, error) {
	ids, err := idList(req.Body, "ids", maxGetByIDs)
	if err != nil {
		return nil, err
	}
	var types []string
	if raw, given := req.Body["types"]; given && json.Unmarshal(raw, &types) != nil {
		return nil, errValue("types")
	}
	objects := []object{}
	err = h.Store.View(ctx, func(tx store.Tx) error {
		objects = objects[:0]
		for _, id := range ids {
			t, err := h.directoryObject(tx, req.Caller.tenant, id)
			if errors.Is(err, directory.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if isOneOf(t.kind, types) && req.Caller.mayRead(t) {
				objects = append(objects, directoryObjectShape{h: h}.object(t, nil))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return req.collectionResponse("directoryObjects", objects), nil
}

func isOneOf(kind string, types []string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool {
		return arm.SameName(t, kind) || arm.SameName(t, "directoryObject")
	})
}

// idList reads a list of object ids, sorted and without duplicates.
func idList(body map[string]json.RawMessage, name string, most int) ([]string, error) {
	var ids []string
	if json.Unmarshal(body[name], &ids) != nil {
		return nil, errValue(name)
	}
	if len(ids) > most {
		return nil, errBadRequest("Too many ids in '%s': at most %d are allowed.", name, most)
	}
	for i, id := range ids {
		if !arm.IsGUID(id) {
			return nil, errBadRequest("Invalid GUID:%s", clip(id))
		}
		ids[i] = arm.Fold(id)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

func (req *Request) collectionResponse(set string, value any) *Response {
	return &Response{Status: http.StatusOK, Body: object{{"@odata.context", req.context(set, nil, false)}, {"value", value}}}
}

// memberships returns the ids of the groups of {id}, and of its directory roles if roles is set.
func (h *Handler) memberships(ctx context.Context, req *Request, roles bool) (ids []string, err error) {
	err = h.Store.View(ctx, func(tx store.Tx) error {
		if roles {
			ids, err = h.transitiveMemberOf(tx, req)
		} else {
			ids, err = h.Directory.TransitiveMemberOf(tx, req.Caller.tenant, req.Object.principal)
		}
		return err
	})
	return ids, err
}

// getMemberships serves getMemberGroups and getMemberObjects.
func (h *Handler) getMemberships(roles bool) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		var securityEnabledOnly bool // all groups are
		if raw, given := req.Body["securityEnabledOnly"]; given && json.Unmarshal(raw, &securityEnabledOnly) != nil {
			return nil, errValue("securityEnabledOnly")
		}
		ids, err := h.memberships(ctx, req, roles)
		if err != nil {
			return nil, err
		}
		return req.collectionResponse("Collection(Edm.String)", list(ids)), nil
	}
}

// checkMemberships serves checkMemberGroups and checkMemberObjects: it returns those of the requested ids
// that {id} is a member of.
func (h *Handler) checkMemberships(parameter string, roles bool) func(context.Context, *Request) (*Response, error) {
	return func(ctx context.Context, req *Request) (*Response, error) {
		asked, err := idList(req.Body, parameter, maxCheck)
		if err != nil {
			return nil, err
		}
		ids, err := h.memberships(ctx, req, roles)
		if err != nil {
			return nil, err
		}
		asked = slices.DeleteFunc(asked, func(id string) bool { return !slices.Contains(ids, id) })
		return req.collectionResponse("Collection(Edm.String)", list(asked)), nil
	}
}

// Deletion is permanent, so directory/deletedItems is always empty. Clients purge an object after its
// deletion; purgeDeleted answers that the purge succeeded.

func (h *Handler) getDeleted(_ context.Context, req *Request) (*Response, error) {
	return nil, errNotFound(req.Path.id.text)
}

func (h *Handler) purgeDeleted(ctx context.Context, req *Request) (*Response, error) {
	err := h.Store.View(ctx, func(tx store.Tx) error {
		_, err := h.Directory.ObjectType(tx, req.Caller.tenant, req.Path.id.text)
		return err
	})
	if errors.Is(err, directory.ErrNotFound) && arm.IsGUID(req.Path.id.text) {
		return noContentResponse(), nil
	}
	if err == nil {
		err = directory.ErrNotFound
	}
	return nil, err
}
