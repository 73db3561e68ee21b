package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"midas/internal/directory"
	"midas/internal/store"
)

type federatedCredential = directory.FederatedCredential

func federatedSchema() *schema[federatedCredential] {
	type credential = federatedCredential
	const most = 600 // characters; package directory has the other rules
	return &schema[credential]{typ: "federatedIdentityCredential", set: "federatedIdentityCredentials", fields: []field[credential]{
		{name: "id", use: text, get: func(c credential) any { return c.ID }},
		{name: "name", use: text, get: func(c credential) any { return c.Name }, set: setFederatedName},
		writableText("issuer", most, func(c *credential) *string { return &c.Issuer }),
		writableText("subject", most, func(c *credential) *string { return &c.Subject }),
		writableText("description", most, func(c *credential) *string { return &c.Description }),
		{
			name: "audiences", use: collection, get: func(c credential) any { return list(c.Audiences) },
			set: func(c *credential, raw json.RawMessage) error {
				return setTextCollection("audiences", 1, most, &c.Audiences, raw)
			},
		},
	}}
}

// setFederatedName sets the name of a new credential. It never changes later, because it stands in URLs.
func setFederatedName(c *federatedCredential, raw json.RawMessage) error {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return errValue("name")
	}
	if c.Name != "" && c.Name != name {
		return errBadRequest("Property 'name' is read-only and cannot be set.")
	}
	c.Name = name
	return nil
}

// federatedOf is the schema with the collection of one application, for the context of responses.
func (h *Handler) federatedOf(req *Request) *schema[federatedCredential] {
	s := *h.federated
	s.set = fmt.Sprintf("applications('%s')/%s", req.Path.id.text, s.set)
	return &s
}

// readFederated reads an application for its credentials.
func (h *Handler) readFederated(ctx context.Context, req *Request) (a directory.Application, err error) {
	err = h.Store.View(ctx, func(tx store.Tx) error {
		a, err = h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
		return err
	})
	return a, err
}

func (h *Handler) listFederated(ctx context.Context, req *Request) (*Response, error) {
	a, err := h.readFederated(ctx, req)
	if err != nil {
		return nil, err
	}
	return pageResponse(ctx, h, req, fixedSource(h.federatedOf(req), a.Federated...))
}

func (h *Handler) getFederated(ctx context.Context, req *Request) (*Response, error) {
	a, err := h.readFederated(ctx, req)
	if err != nil {
		return nil, err
	}
	i := a.FederatedIndex(req.Path.member)
	if i < 0 {
		return nil, errNotFound(req.Path.member)
	}
	return entityResponse(req, h.federatedOf(req), a.Federated[i])
}

func (h *Handler) createFederated(ctx context.Context, req *Request) (*Response, error) {
	c := federatedCredential{ID: h.NewID()}
	if err := h.federated.apply(&c, req.Body); err != nil {
		return nil, err
	}
	err := h.changeFederated(ctx, req, func(a *directory.Application) error {
		a.Federated = append(slices.Clone(a.Federated), c)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return createdResponse(req, h.federatedOf(req), c, c.ID), nil
}

func (h *Handler) updateFederated(ctx context.Context, req *Request) (*Response, error) {
	err := h.changeFederated(ctx, req, func(a *directory.Application) error {
		i := a.FederatedIndex(req.Path.member)
		if i < 0 {
			return errNotFound(req.Path.member)
		}
		a.Federated = slices.Clone(a.Federated)
		return h.federated.apply(&a.Federated[i], req.Body)
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

func (h *Handler) deleteFederated(ctx context.Context, req *Request) (*Response, error) {
	err := h.changeFederated(ctx, req, func(a *directory.Application) error {
		i := a.FederatedIndex(req.Path.member)
		if i < 0 {
			return errNotFound(req.Path.member)
		}
		a.Federated = slices.Delete(slices.Clone(a.Federated), i, i+1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return noContentResponse(), nil
}

// changeFederated changes the credentials of the application in one transaction.
func (h *Handler) changeFederated(ctx context.Context, req *Request, change func(*directory.Application) error) error {
	return h.update(ctx, req, func(tx store.Tx) error {
		a, err := h.Directory.Application(tx, req.Caller.tenant, req.Object.id)
		if err != nil {
			return err
		}
		if err := change(&a); err != nil {
			return err
		}
		return h.Directory.UpdateApplication(tx, a)
	})
}

// federatedError is Graph's error for a credential that is not valid.
func federatedError(err *directory.FederatedError, exists bool) *Error {
	if exists {
		return errorf(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "%s", clip(err.Text))
	}
	return errorf(http.StatusBadRequest, "InvalidFederatedIdentityCredentialValue",
		"%s paramName: FederatedIdentityCredential.%s, paramValue: %s, objectType: Microsoft.Online.DirectoryServices.Application",
		err.Text, err.Property, clip(err.Value))
}

// federatedOperations are the operations on the federated identity credentials of applications. Azure CLI up
// to 2.37 sends them to the beta version.
func (h *Handler) federatedOperations() []Operation {
	const path = "applications/{id}/federatedIdentityCredentials"
	return []Operation{
		{Method: get, Path: path, Needs: readApplications, Owner: true, Beta: true, Serve: h.listFederated},
		{Method: post, Path: path, Needs: writeApplications, Owner: true, Guard: true, Beta: true, Serve: h.createFederated},
		{Method: get, Path: path + "/{member}", Needs: readApplications, Owner: true, Beta: true, Serve: h.getFederated},
		{Method: patch, Path: path + "/{member}", Needs: writeApplications, Owner: true, Guard: true, Beta: true, Serve: h.updateFederated},
		{Method: remove, Path: path + "/{member}", Needs: writeApplications, Owner: true, Guard: true, Beta: true, Serve: h.deleteFederated},
	}
}
