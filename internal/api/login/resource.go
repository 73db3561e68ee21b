package login

import (
	"errors"
	"fmt"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// resource is what the directory says of a token's audience.
type resource struct {
	audience string
	version  string   // of the tokens that it takes
	roles    []string // that the principal has there
}

// resource looks an audience up for whom the token is to be of. One that is registered nowhere is taken as
// it is.
func (h *tokens) resource(req *tokenRequest, audience string, who tokenSubject) (resource, error) {
	var at resource
	err := h.Directory.Store.View(req.r.Context(), func(tx store.Tx) error {
		at = resource{audience: audience, version: token.V1}
		p, err := h.Directory.Resource(tx, req.tenant.ID, audience)
		if err != nil {
			return ifFound(err)
		}
		if err := h.checkResource(tx, audience, p, who); err != nil {
			return err
		}
		if at.roles, err = h.Directory.AppRolesAt(tx, p, who.id); err != nil {
			return err
		}
		app, err := h.Directory.ApplicationByAppID(tx, req.tenant.ID, p.AppID)
		if err == nil && app.TokenVersion == 2 {
			// The newer tokens name the resource by its id, however the client has called it.
			at.audience, at.version = app.AppID, token.V2
		}
		return ifFound(err)
	})
	var visible *Error
	switch {
	case errors.As(err, &visible):
		return resource{}, visible
	case err != nil:
		return resource{}, fmt.Errorf("find resource: %w", err)
	}
	return at, nil
}

// ifFound is an error other than that there is nothing.
func ifFound(err error) error {
	if errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}
