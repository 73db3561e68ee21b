package login

import (
	"errors"

	"midas/internal/directory"
)

// How a client has shown that it is the one, as the appidacr of its tokens says it.
const (
	byNothing   = "0"
	bySecret    = "1"
	byAssertion = "2"
)

// client is an application that asks.
type client struct {
	directory.Application
	principal directory.ServicePrincipal // empty for the applications that are in every tenant
	shown     string
}

// authenticate finds the client of a request in a tenant and checks what it shows. A client that
// shows nothing is let through as byNothing; whether that is enough is for the grant to say.
func (h *tokens) authenticate(req *tokenRequest) (client, error) {
	if req.clientID == "" {
		return client{}, errMissingParameter("client_id")
	}
	c, err := h.findClient(req.r.Context(), req.tenant, req.clientID)
	if err != nil {
		return client{}, err
	}
	switch {
	case c.FirstParty && (req.clientSecret != "" || req.assertion != ""):
		return client{}, errPublicClient()
	case req.clientSecret != "":
		c.shown, err = bySecret, h.checkSecret(req)
	case req.assertion != "":
		c.shown, err = byAssertion, h.checkAssertion(req, c)
	default:
		c.shown = byNothing
	}
	if err != nil {
		return client{}, err
	}
	if !c.FirstParty && !c.principal.Enabled {
		return client{}, errDisabled(req.clientID, c.DisplayName)
	}
	return c, nil
}

// checkSecret checks a client's secret, as often as its guesser may try.
func (h *tokens) checkSecret(req *tokenRequest) error {
	guess := h.secretGuess(req)
	if wait := h.Throttle.Wait(guess); wait > 0 {
		return errThrottled(wait)
	}
	principal, err := h.Directory.Authenticate(req.r.Context(), req.tenant.ID, req.clientID, req.clientSecret)
	switch {
	case errors.Is(err, directory.ErrUnknownApplication):
		return errUnknownApplication(req.clientID, req.tenant.DisplayName)
	case errors.Is(err, directory.ErrWrongSecret):
		h.Throttle.Count(guess)
		return errWrongSecret(req.clientID)
	case errors.Is(err, directory.ErrExpiredSecret):
		return errExpiredSecret(req.clientID)
	case errors.Is(err, directory.ErrDisabled):
		return errDisabled(req.clientID, principal.DisplayName)
	}
	return err
}

// confidential refuses a client that has shown nothing.
func (c client) confidential() error {
	if c.shown == byNothing {
		return errNoCredential()
	}
	return nil
}

// mayBePublic refuses a client that has shown nothing and has not said that it has nothing to show.
func (c client) mayBePublic() error {
	if c.shown == byNothing && !c.PublicClient {
		return errNoCredential()
	}
	return nil
}
