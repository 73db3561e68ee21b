package login

import (
	"errors"
	"fmt"

	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/store"
	"midas/internal/token"
)

// resource has a token's audience, and what the directory knows about it.
type resource struct {
	directory.TokenAudience
	audience string
	version  string // of the tokens that the resource accepts
}

// resource looks up an audience for the subject of a token. An audience that is not registered is used
// unchanged.
func (h *tokens) resource(req *tokenRequest, audience string, who tokenSubject) (resource, error) {
	if aud, found := federation.ExchangeAudience(audience); found && !who.user {
		return resource{audience: aud, version: token.V2}, nil
	}
	var at resource
	err := h.Directory.Store.Recent(req.r.Context(), func(tx store.Tx) error {
		at = resource{audience: audience, version: token.V1}
		p, err := h.Directory.Resource(tx, req.tenant.ID, audience)
		if errors.Is(err, directory.ErrNotFound) {
			return errNotRegistered
		}
		if err != nil {
			return err
		}
		if err := h.checkResource(tx, audience, p, who); err != nil {
			return err
		}
		if at.TokenAudience, err = h.Directory.TokenAudienceAt(tx, p, who.id); err != nil {
			return err
		}
		at.audience = at.Name(audience)
		if at.Application.TokenVersion == 2 {
			at.version = token.V2
		}
		return nil
	})
	var visible *Error
	switch {
	case errors.As(err, &visible):
		return resource{}, visible
	case err != nil && !errors.Is(err, errNotRegistered):
		return resource{}, fmt.Errorf("find resource: %w", err)
	}
	return at, nil
}

// errNotRegistered ends a Recent that has not found the application of an audience, so that it looks again for one that
// another replica has registered.
var errNotRegistered = errors.New("no application is registered for the audience")

// ifFound returns err, or nil if it is directory.ErrNotFound.
func ifFound(err error) error {
	if errors.Is(err, directory.ErrNotFound) {
		return nil
	}
	return err
}
