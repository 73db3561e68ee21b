package management

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"midas/internal/activity"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/token"
)

// audiences are the resources whose tokens ARM takes: the four that all clients know, and this
// server's own origin, with and without a slash.
func audiences(origin string) map[string]bool {
	set := map[string]bool{}
	for _, resource := range append(standardAudiences(), origin, origin+"/") {
		set[resource] = true
	}
	return set
}

func standardAudiences() []string {
	return []string{
		"https://management.core.windows.net/", "https://management.core.windows.net",
		"https://management.azure.com/", "https://management.azure.com",
	}
}

// authenticate checks the bearer token and makes its subject the request's caller. The tenant is
// that of the addressed subscription, or empty.
func (h *Handler) authenticate(ctx context.Context, tx store.Tx, r *Request, tenant string) error {
	c := h.challenge(r, tenant)
	headers := r.HTTP.Header["Authorization"]
	if len(headers) == 0 {
		return c.unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.",
			"The authentication failed because of missing 'Authorization' header.")
	}
	scheme, raw, found := strings.Cut(headers[0], " ")
	if len(headers) > 1 || !found || !arm.SameName(scheme, "Bearer") {
		return c.unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is not a single bearer token.", "")
	}
	claims, err := h.Tokens.Verify(ctx, strings.TrimSpace(raw))
	if err != nil {
		return c.badToken(err)
	}
	if !h.audiences[claims.Audience] {
		return c.unauthorized("InvalidAuthenticationTokenAudience", fmt.Sprintf(
			"The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.",
			claims.Audience, strings.Join(standardAudiences(), "','")), "")
	}
	if tenant != "" && claims.TenantID != tenant {
		return c.wrongTenant(h.Origin, claims.TenantID)
	}
	groups, err := h.standing(tx, c, claims)
	if err != nil {
		return err
	}
	r.Caller = rbac.Caller{
		TenantID: claims.TenantID, ObjectID: claims.ObjectID, AppID: claims.AppID,
		Name: cmp.Or(claims.UPN, claims.AppID), Groups: groups,
	}
	return nil
}

// challenge is where a client that came with a bad token, or without one, is sent.
type challenge struct{ origin, tenant string }

// challenge names the sign-in service as the client knows it.
func (h *Handler) challenge(r *Request, tenant string) challenge {
	if tenant == "" {
		tenant = h.HomeTenant
	}
	return challenge{origin: azure.OriginsFor(r.HTTP.Host, h.Origin).Challenge, tenant: tenant}
}

// badToken words what is wrong with a token. What does not concern the caller is a fault of ours.
func (c challenge) badToken(err error) error {
	var expired *token.ExpiredError
	switch {
	case errors.As(err, &expired):
		const format = "1/2/2006 3:04:05 PM"
		return c.unauthorized("ExpiredAuthenticationToken", fmt.Sprintf(
			"The access token expiry UTC time '%s' is earlier than current UTC time '%s'.",
			expired.Expired.UTC().Format(format), expired.Now.UTC().Format(format)), "")
	case refused(err):
		return c.unauthorized("InvalidAuthenticationToken", "The access token is invalid.", "")
	}
	return fmt.Errorf("verify the bearer token: %w", err)
}

// refused tells a bad token from a failure to look at it.
func refused(err error) bool {
	for _, reason := range []error{token.ErrMalformed, token.ErrUnknownKey, token.ErrSignature, token.ErrIssuer, token.ErrNotYetValid} {
		if errors.Is(err, reason) {
			return true
		}
	}
	return false
}

// wrongTenant names issuers as they are in tokens, which is the same under all host names.
func (c challenge) wrongTenant(own, given string) error {
	issuer := func(t string) string { return own + "/" + t + "/" }
	return c.unauthorized("InvalidAuthenticationTokenTenant", fmt.Sprintf(
		"The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) '%s' to get the token. "+
			"Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). "+
			"If you just transferred your subscription and see this error message, please try back later.",
		issuer(given), issuer(c.tenant), c.origin+"/"+c.tenant), "")
}

// unauthorized is a 401 that names the tenant in its challenge; several tools learn a
// subscription's tenant from just that.
func (c challenge) unauthorized(code, message, description string) error {
	if description == "" {
		description = message
	}
	err := arm.Errorf(http.StatusUnauthorized, code, "%s", message)
	err.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer authorization_uri="%s/%s", error="invalid_token", error_description="%s"`,
		c.origin, c.tenant, quotable(description))}}
	return err
}

// quotable makes a text fit for a quoted header parameter.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// event is the activity log's entry for a request, complete but for its outcome. A write hands it to its
// domain, which stores it in the write's own transaction.
func (h *Handler) event(r *Request) activity.Event {
	id, ev := r.ID(), r.event
	return activity.Event{
		CorrelationID: ev.CorrelationID, OperationID: ev.RequestID,
		TenantID: r.Caller.TenantID, SubscriptionID: arm.Fold(id.Subscription()), ResourceGroup: id.ResourceGroup(),
		ResourceID: id.String(), ResourceType: string(r.Path.Type),
		Operation: r.Action, Status: activity.Succeeded,
		Caller: r.Caller.Name, CallerObjectID: r.Caller.ObjectID, ClientIP: ev.ClientIP, ClientRequestID: ev.ClientRequestID,
		Method: r.HTTP.Method, URI: h.origin(r) + r.HTTP.URL.EscapedPath(), // the query may hold what is nobody else's
	}
}
