package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"midas/internal/arm"
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

// flexibleSchema is the schema of the beta version, which has claims matching expressions.
func flexibleSchema() *schema[federatedCredential] {
	s := federatedSchema()
	s.fields = append(s.fields, field[federatedCredential]{
		name: "claimsMatchingExpression", set: setExpression,
		get: func(c federatedCredential) any {
			if c.Matching == nil {
				return nil
			}
			return object{{"value", c.Matching.Value}, {"languageVersion", c.Matching.LanguageVersion}}
		},
	})
	return s
}

// setExpression sets the expression as a whole. Annotations in it are ignored, as those of the credential are.
func setExpression(c *federatedCredential, raw json.RawMessage) error {
	const name = "claimsMatchingExpression"
	c.Matching = nil
	if isNull(raw) {
		return nil
	}
	var parts map[string]json.RawMessage
	if json.Unmarshal(raw, &parts) != nil {
		return errValue(name)
	}
	c.Matching = &directory.FederatedExpression{}
	for part, value := range parts {
		var err error
		switch {
		case isAnnotation(part):
		case isNull(value):
			err = errValue(name)
		case arm.SameName(part, "value"):
			err = json.Unmarshal(value, &c.Matching.Value)
		case arm.SameName(part, "languageVersion"):
			err = json.Unmarshal(value, &c.Matching.LanguageVersion)
		default:
			return errBadRequest("Invalid property '%s'.", clip(part))
		}
		if err != nil {
			return errValue(name)
		}
	}
	return nil
}

// setFederatedName sets the name of a new credential. It never changes later, because it stands in URLs.
func setFederatedName(c *federatedCredential, raw json.RawMessage) error {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return errValue("name")
	}
	if c.Name != "" && c.Name != name {
		return errBadRequest("Property 'name' is immutable and cannot be changed after creation.")
	}
	c.Name = name
	return nil
}

// federatedOf is the schema of the request's version, with the collection of one application for the context of
// responses.
func (h *Handler) federatedOf(req *Request) *schema[federatedCredential] {
	s := *h.federated
	if req.Path.beta {
		s = *h.flexible
	}
	s.set = fmt.Sprintf("applications('%s')/%s", req.Path.id.text, s.set)
	return &s
}

// applyFederated sets the properties that the body names. Version 1.0 has no expressions; null says nothing.
func (h *Handler) applyFederated(c *federatedCredential, req *Request) error {
	body := maps.Clone(req.Body) // the change may be tried again
	maps.DeleteFunc(body, func(name string, raw json.RawMessage) bool {
		return !req.Path.beta && isNull(raw) && arm.SameName(name, "claimsMatchingExpression")
	})
	return h.federatedOf(req).apply(c, body)
}

// findFederated returns the position of the credential that the path names: by id or name, or by one of them if the
// path says which.
func findFederated(a *directory.Application, req *Request) (int, error) {
	i := -1
	switch by := req.Path.by; {
	case by == "":
		i = a.FederatedIndex(req.Path.member)
	case arm.SameName(by, "name"):
		i = a.FederatedByName(req.Path.member)
	case arm.SameName(by, "id"):
		i = slices.IndexFunc(a.Federated, func(c federatedCredential) bool { return arm.SameName(c.ID, req.Path.member) })
	default:
		return -1, errSegment(by)
	}
	if i < 0 {
		return -1, errNotFound(req.Path.member)
	}
	return i, nil
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
	i, err := findFederated(&a, req)
	if err != nil {
		return nil, err
	}
	return entityResponse(req, h.federatedOf(req), a.Federated[i])
}

func (h *Handler) createFederated(ctx context.Context, req *Request) (*Response, error) {
	c := federatedCredential{ID: h.NewID()}
	if err := h.applyFederated(&c, req); err != nil {
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

// createIfMissing is the preference (RFC 7240) of a client that lets a PATCH by name create the credential.
const createIfMissing = "create-if-missing"

func prefers(req *Request, preference string) bool {
	for _, line := range req.HTTP.Header.Values("Prefer") {
		for one := range strings.SplitSeq(line, ",") {
			if arm.SameName(strings.TrimSpace(one), preference) {
				return true
			}
		}
	}
	return false
}

// updateFederated changes a credential. It creates it if the path names it by its name and the client prefers that.
func (h *Handler) updateFederated(ctx context.Context, req *Request) (*Response, error) {
	upsert := arm.SameName(req.Path.by, "name") && prefers(req, createIfMissing)
	var made *federatedCredential
	err := h.changeFederated(ctx, req, func(a *directory.Application) error {
		made = nil
		i, err := findFederated(a, req)
		if err != nil && !upsert {
			return err
		}
		a.Federated = slices.Clone(a.Federated)
		if i < 0 {
			i = len(a.Federated)
			a.Federated = append(a.Federated, federatedCredential{ID: h.NewID(), Name: req.Path.member})
			made = &a.Federated[i]
		}
		return h.applyFederated(&a.Federated[i], req)
	})
	switch {
	case err != nil:
		return nil, err
	case made != nil:
		return createdResponse(req, h.federatedOf(req), *made, made.ID), nil
	}
	return noContentResponse(), nil
}

func (h *Handler) deleteFederated(ctx context.Context, req *Request) (*Response, error) {
	err := h.changeFederated(ctx, req, func(a *directory.Application) error {
		i, err := findFederated(a, req)
		if err != nil {
			return err
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
func federatedError(err *directory.FederatedError) *Error {
	switch {
	case errors.Is(err, directory.ErrExists):
		return errorf(http.StatusConflict, "Request_MultipleObjectsWithSameKeyValue", "%s", clip(err.Text))
	case errors.Is(err, directory.ErrTooManyFederated):
		return errorf(http.StatusForbidden, "Directory_ResourceSizeExceeded", "%s", err.Text)
	}
	return errorf(http.StatusBadRequest, "InvalidFederatedIdentityCredentialValue",
		"%s paramName: FederatedIdentityCredential.%s, paramValue: %s, objectType: Microsoft.Online.DirectoryServices.Application",
		err.Text, err.Property, clip(err.Value))
}

// federatedOperations are the operations on the federated identity credentials of applications. Only the beta version
// has flexible credentials. Azure CLI up to 2.37 sends all of the requests to it.
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
