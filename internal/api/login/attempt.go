package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"midas/internal/directory"
	"midas/internal/federation"
)

// Attempt decides about a client assertion of another issuer as the token endpoint does, for an explanation. It grants
// nothing, counts nothing and remembers nothing. It asks the issuer for its keys under the same conditions as the token
// endpoint. The error is one of the server; what the token endpoint would answer is in the Attempt.
func (h *Handler) Attempt(ctx context.Context, tenantID, clientID string, assertion directory.SecretText) (federation.Attempt, error) {
	var made federation.Attempt
	tenant, err := h.tokens.tenant(ctx, tenantID)
	if err != nil {
		return made, err
	}
	req := &tokenRequest{request: &request{r: (&http.Request{}).WithContext(ctx), pathTenant: tenant.ID}, tenant: tenant}
	req.grantType, req.clientID, req.assertion, req.assertionType = "client_credentials", clientID, assertion, jwtBearer
	c, err := h.tokens.tokenClient(req)
	if err == nil && h.config.Federated != nil {
		if made.Credentials, err = h.config.Federated(ctx, c.principal); err != nil {
			return made, fmt.Errorf("list federated credentials: %w", err)
		}
	}
	if err == nil {
		err = h.tokens.attempt(req, c, &made)
	}
	var e *Error
	switch {
	case errors.As(err, &e):
		made.Refused, made.Code = err, "AADSTS"+strconv.Itoa(e.Number)
	case err != nil:
		return made, err
	}
	return made, nil
}

// attempt checks the assertion of a client that was found.
func (h *tokens) attempt(req *tokenRequest, c client, made *federation.Attempt) error {
	a, err := req.clientAssertion()
	if err != nil {
		return err
	}
	made.Own = h.issuedHere(h.underOwnName(req.tenant, a))
	switch {
	case c.FirstParty:
		return errPublicClient()
	case foreign(a, c):
		_, err = h.federate(req.r.Context(), presented{tenant: req.tenant, client: c, assertion: a, raw: string(req.assertion)})
	default:
		err = h.checkOwnAssertion(req, a, c)
	}
	if err != nil {
		return err
	}
	if !c.principal.Enabled {
		return errDisabled(req.clientID, c.DisplayName)
	}
	return nil
}
