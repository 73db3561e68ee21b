package login

import (
	"errors"

	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// clientAuthMethod is how a client has authenticated: the value of the appidacr claim.
type clientAuthMethod string

const (
	authNone      clientAuthMethod = "0" // a public client
	authSecret    clientAuthMethod = "1"
	authAssertion clientAuthMethod = "2" // signed with the key of a certificate, or by another issuer
)

// client is the application or the managed identity that sends a request.
type client struct {
	directory.Application
	principal  directory.ServicePrincipal // empty for Microsoft's own clients, which are in every tenant
	authMethod clientAuthMethod
}

// authenticate finds the client of a request in its tenant and checks the credential. A client without a
// credential passes with authNone; the grant decides whether that is enough.
func (h *tokens) authenticate(req *tokenRequest) (client, error) {
	if req.clientID == "" {
		return client{}, errMissingParameter("client_id")
	}
	var asserted *token.Assertion
	if req.assertion != "" {
		var err error
		req.exchange = &exchangeAttempt{}
		if asserted, err = req.clientAssertion(); err != nil {
			return client{}, err
		}
		req.exchange.assertion = asserted
	}
	c, err := h.tokenClient(req)
	if err != nil {
		return client{}, err
	}
	switch {
	case c.FirstParty && (req.clientSecret != "" || req.assertion != ""):
		return client{}, errPublicClient()
	case req.clientSecret != "" && c.managed():
		return client{}, errWrongSecret(req.clientID)
	case req.clientSecret != "":
		c.authMethod, err = authSecret, h.checkSecret(req)
	case req.assertion != "":
		c.authMethod, err = authAssertion, h.checkAssertion(req, asserted, c)
	default:
		c.authMethod = authNone
	}
	if err != nil {
		return client{}, err
	}
	if !c.FirstParty && !c.principal.Enabled {
		return h.enabledAgain(req, c)
	}
	return c, nil
}

// enabledAgain returns a client that has authenticated and that another replica has enabled a moment ago.
func (h *tokens) enabledAgain(req *tokenRequest, c client) (client, error) {
	again, err := h.findAny(store.Fresh(req.r.Context()), req.tenant, req.clientID)
	if err != nil {
		return client{}, err
	}
	if !again.principal.Enabled {
		return client{}, errDisabled(req.clientID, c.DisplayName)
	}
	again.authMethod = c.authMethod
	return again, nil
}

// checkSecret checks a client's secret. Wrong secrets are counted and limited.
func (h *tokens) checkSecret(req *tokenRequest) error {
	charge := h.secretCharge(req)
	if wait := h.Throttle.Wait(charge); wait > 0 {
		return errThrottled(wait)
	}
	principal, err := h.Directory.Authenticate(req.r.Context(), req.tenant.ID, req.clientID, req.clientSecret)
	switch {
	case errors.Is(err, directory.ErrUnknownApplication):
		return errUnknownApplication(req.clientID, req.tenant.DisplayName)
	case errors.Is(err, directory.ErrWrongSecret):
		h.Throttle.Count(charge)
		return errWrongSecret(req.clientID)
	case errors.Is(err, directory.ErrExpiredSecret):
		return errExpiredSecret(req.clientID)
	case errors.Is(err, directory.ErrDisabled):
		return errDisabled(req.clientID, principal.DisplayName)
	}
	return err
}

// confidential refuses a client that has not authenticated.
func (c client) confidential() error {
	if c.authMethod == authNone {
		return errNoCredential()
	}
	return nil
}

// mayBePublic refuses a client that has not authenticated, unless it is registered as a public client.
func (c client) mayBePublic() error {
	if c.authMethod == authNone && !c.PublicClient {
		return errNoCredential()
	}
	return nil
}
