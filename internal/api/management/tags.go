package management

import (
	"context"
	"net/http"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
	"midas/internal/compute"
	"midas/internal/identity"
	"midas/internal/resource"
)

const (
	typeTags      arm.Type = "Microsoft.Resources/tags"
	typeTagNames  arm.Type = "Microsoft.Resources/subscriptions/tagNames"
	typeTagValues arm.Type = typeTagNames + "/tagValues"
)

// tagOperations returns the operations on the tags of one resource, which extend it, and on the tag names of a
// subscription. The rights on tags do not depend on rights on the resource.
func (h *Handler) tagOperations() []Operation {
	const below = arm.AtSubscription | arm.AtGroup | arm.AtResource
	var since []arm.Version // the versions that have tags as an extension
	for _, v := range coreVersions() {
		if v.Compare("2019-10-01") >= 0 {
			since = append(since, v)
		}
	}
	rows := withVersions(since, []Operation{
		{Method: "GET", Type: typeTags, Target: arm.Instance, At: below, Perform: string(typeTags) + "/read", Serve: h.getTags},
		{Method: "PUT", Type: typeTags, Target: arm.Instance, At: below, Perform: string(typeTags) + "/write", Serve: h.putTags},
		{Method: "PATCH", Type: typeTags, Target: arm.Instance, At: below, Perform: string(typeTags) + "/write", Serve: h.patchTags},
		{Method: "DELETE", Type: typeTags, Target: arm.Instance, At: below, Perform: string(typeTags) + "/delete", Serve: h.deleteTags},
	})
	return append(rows, withVersions(coreVersions(), []Operation{
		{Method: "GET", Type: typeTagNames, Target: arm.Collection, At: arm.AtSubscription, Perform: string(typeTagNames) + "/read", Serve: h.listTagNames},
		{Method: "PUT", Type: typeTagNames, Target: arm.Instance, At: arm.AtSubscription, Perform: string(typeTagNames) + "/write", Serve: h.putTagName},
		{Method: "DELETE", Type: typeTagNames, Target: arm.Instance, At: arm.AtSubscription, Perform: string(typeTagNames) + "/delete", Serve: h.deleteTagName},
		{Method: "PUT", Type: typeTagValues, Target: arm.Instance, At: arm.AtSubscription, Perform: string(typeTagValues) + "/write", Serve: h.putTagValue},
		{Method: "DELETE", Type: typeTagValues, Target: arm.Instance, At: arm.AtSubscription, Perform: string(typeTagValues) + "/delete", Serve: h.deleteTagValue},
	})...)
}

// tagged returns the resource whose tags a request addresses. It returns an error if the tags have another name
// than "default", or if the resource is of a type of Midas that has no tags.
func tagged(r *Request) (arm.ID, error) {
	if !arm.SameName(r.ID().Name(), "default") {
		return arm.ID{}, wire.ErrTagsName(r.ID().Name())
	}
	id := r.ID().Base()
	if identity.FederatedType.Is(id.Type()) {
		return arm.ID{}, resource.ErrNoTags(identity.FederatedType)
	}
	return id, nil
}

func (h *Handler) getTags(ctx context.Context, r *Request) (*Response, error) {
	id, err := tagged(r)
	if err != nil {
		return nil, err
	}
	rec, err := h.Resources.Find(ctx, id)
	if err != nil {
		return nil, err
	}
	return ok(wire.EncodeTags(rec))
}

func (h *Handler) putTags(ctx context.Context, r *Request) (*Response, error) {
	var body wire.TagsBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return h.writeTags(ctx, r, body.Replace)
}

func (h *Handler) patchTags(ctx context.Context, r *Request) (*Response, error) {
	var body wire.TagsBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return h.writeTags(ctx, r, body.Patch)
}

// deleteTags removes all tags. The resource itself stays.
func (h *Handler) deleteTags(ctx context.Context, r *Request) (*Response, error) {
	response, err := h.writeTags(ctx, r, func(map[string]string) (map[string]string, error) { return nil, nil })
	if err != nil {
		return nil, err
	}
	response.Body = nil
	return response, nil
}

func (h *Handler) writeTags(ctx context.Context, r *Request, change func(map[string]string) (map[string]string, error)) (*Response, error) {
	id, err := tagged(r)
	if err != nil {
		return nil, err
	}
	ev, w := h.event(r), resource.TagsWrite{ID: id, Change: change}
	if compute.ScaleSet.Is(id.Type()) { // its machines get the tags
		w.Work = []resource.Operation{h.Resources.NewOperation(compute.ScaleOperation, ev, id)}
	}
	rec, err := h.Resources.WriteTags(ctx, ev, w)
	if err != nil {
		return nil, err
	}
	if err := h.finish(ctx, w.Work); err != nil {
		return nil, err
	}
	return ok(wire.EncodeTags(rec))
}

func (h *Handler) listTagNames(ctx context.Context, r *Request) (*Response, error) {
	p, err := h.page(r)
	if err != nil {
		return nil, err
	}
	names, next, err := h.Resources.TagNames(ctx, r.ID(), p.after, p.limit)
	if err != nil {
		return nil, err
	}
	value := make([]wire.TagDetails, len(names))
	for i, name := range names {
		value[i] = wire.EncodeTagName(r.ID(), name)
	}
	return ok(wire.List[wire.TagDetails]{Value: value, NextLink: h.nextLink(r, p, next)})
}

func (h *Handler) putTagName(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // it reads all records of the subscription
		return nil, err
	}
	tag, created, err := h.Resources.PutTagName(ctx, h.event(r), r.ID().Parent(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return createdOrOK(created, wire.EncodeTagName(r.ID().Parent(), tag)), nil
}

func (h *Handler) deleteTagName(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // it reads all records of the subscription
		return nil, err
	}
	existed, err := h.Resources.DeleteTagName(ctx, h.event(r), r.ID().Parent(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}

func (h *Handler) putTagValue(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // it reads all records of the subscription
		return nil, err
	}
	name := r.ID().Parent()
	tag, created, err := h.Resources.PutTagValue(ctx, h.event(r), name.Parent(), name.Name(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return createdOrOK(created, wire.EncodeTagValue(name.Parent(), name.Name(), tag)), nil
}

func (h *Handler) deleteTagValue(ctx context.Context, r *Request) (*Response, error) {
	if err := r.event.MakeList(ctx); err != nil { // it reads all records of the subscription
		return nil, err
	}
	name := r.ID().Parent()
	existed, err := h.Resources.DeleteTagValue(ctx, h.event(r), name.Parent(), name.Name(), r.ID().Name())
	if err != nil {
		return nil, err
	}
	return deleted(existed)
}

func createdOrOK(created bool, body any) *Response {
	if created {
		return &Response{Status: http.StatusCreated, Body: body}
	}
	return &Response{Status: http.StatusOK, Body: body}
}
