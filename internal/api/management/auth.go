package management

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"midas/internal/activity"
	"midas/internal/api/bearer"
	"midas/internal/arm"
	"midas/internal/azure"
	"midas/internal/rbac"
	"midas/internal/store"
	"midas/internal/token"
)

// audiences returns the audiences that ARM accepts: the four that clients of Azure use, and this server's
// origin, with and without a slash.
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
func (h *Handler) authenticate(tx store.Tx, r *Request, tenant string) error {
	c := h.challenge(r, tenant)
	claims, err := h.bearer.Verify(r.HTTP)
	if err != nil {
		return c.refuse(err)
	}
	if tenant != "" && claims.TenantID != tenant {
		return c.wrongTenant(h.Origin, claims.TenantID)
	}
	subject, err := h.bearer.Subject(tx, claims)
	if err != nil {
		return c.refuse(err)
	}
	r.claims = claims
	r.Caller = rbac.Caller{
		TenantID: subject.TenantID, ObjectID: subject.ObjectID, AppID: claims.AppID,
		Name: cmp.Or(claims.UPN, claims.AppID), Groups: subject.Groups,
	}
	return nil
}

// challenge has the origin of the sign-in service and the tenant, which a 401 names.
type challenge struct{ origin, tenant string }

// challenge returns the challenge for a request. The host name of the sign-in service depends on the host
// name under which the client has reached ARM.
func (h *Handler) challenge(r *Request, tenant string) challenge {
	if tenant == "" {
		tenant = h.HomeTenant
	}
	return challenge{origin: azure.OriginsFor(r.HTTP.Host, h.Origin).Challenge, tenant: tenant}
}

// refuse maps an error of package bearer to ARM's 401. Any other error is returned as it is, and becomes
// a 500.
func (c challenge) refuse(err error) error {
	var expired *token.ExpiredError
	var audience *bearer.AudienceError
	var revoked *bearer.RevokedError
	switch {
	case errors.Is(err, bearer.ErrNoToken):
		return c.unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.",
			"The authentication failed because of missing 'Authorization' header.")
	case errors.Is(err, bearer.ErrNotBearer):
		return c.unauthorized("AuthenticationFailed", "Authentication failed. The 'Authorization' header is not a single bearer token.", "")
	case errors.As(err, &audience):
		return c.unauthorized("InvalidAuthenticationTokenAudience", fmt.Sprintf(
			"The access token has been obtained for wrong audience or resource '%s'. It should exactly match with one of the allowed audiences '%s'.",
			audience.Audience, strings.Join(standardAudiences(), "','")), "")
	case errors.As(err, &expired):
		const format = "1/2/2006 3:04:05 PM"
		return c.unauthorized("ExpiredAuthenticationToken", fmt.Sprintf(
			"The access token expiry UTC time '%s' is earlier than current UTC time '%s'.",
			expired.Expired.UTC().Format(format), expired.Now.UTC().Format(format)), "")
	case errors.As(err, &revoked):
		return c.revoked(revoked.ValidFrom.Unix())
	case errors.Is(err, token.ErrBound):
		return c.unauthorized("InvalidAuthenticationToken", "The access token is bound to a key and cannot be used as a bearer token.", "")
	case bearer.IsRefusal(err):
		return c.unauthorized("InvalidAuthenticationToken", "The access token is invalid.", "")
	}
	return err
}

// revoked makes the challenge of continuous access evaluation. A client that supports it requests a new token
// with the claims of the challenge, which prevents it from using a token from its cache.
func (c challenge) revoked(validFrom int64) error {
	const description = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"
	claims := `{"access_token":{"nbf":{"essential":true,"value":"` + strconv.FormatInt(validFrom, 10) + `"}}}`
	err := arm.Errorf(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", description)
	err.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", error="insufficient_claims", error_description="%s", claims="%s"`,
		c.origin, description, base64.StdEncoding.EncodeToString([]byte(claims)))}}
	return err
}

// wrongTenant refuses a token of another tenant than the subscription's. Its message names issuers as they
// are in tokens, which do not depend on the host name.
func (c challenge) wrongTenant(own, given string) error {
	issuer := func(t string) string { return own + "/" + t + "/" }
	return c.unauthorized("InvalidAuthenticationTokenTenant", fmt.Sprintf(
		"The access token is from the wrong issuer '%s'. It must match the tenant '%s' associated with this subscription. Please use the authority (URL) '%s' to get the token. "+
			"Note, if the subscription is transferred to another tenant there is no impact to the services, but information about new tenant could take time to propagate (up to an hour). "+
			"If you just transferred your subscription and see this error message, please try back later.",
		issuer(given), issuer(c.tenant), c.origin+"/"+c.tenant), "")
}

// unauthorized makes a 401 whose challenge names the tenant. Several tools learn the tenant of a
// subscription from this challenge. Without a description, the message is the description.
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

// quotable removes the characters that a quoted header parameter cannot have.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, s)
}

// event returns the activity log's entry for a request that succeeds. A write passes it to its domain
// package, which stores it in the transaction of the write.
func (h *Handler) event(r *Request) activity.Event {
	id, ev := r.ID(), r.event
	return activity.Event{
		CorrelationID: ev.CorrelationID, OperationID: ev.RequestID,
		TenantID: r.Caller.TenantID, SubscriptionID: arm.Fold(id.Subscription()), ResourceGroup: id.ResourceGroup(),
		ResourceID: id.String(), ResourceType: string(r.Path.Type),
		Operation: r.Action, Status: activity.Succeeded,
		Caller: r.Caller.Name, CallerObjectID: r.Caller.ObjectID, ClientIP: ev.ClientIP, ClientRequestID: ev.ClientRequestID,
		Method: r.HTTP.Method,
		// Of the query only the api-version: the rest may hold secrets.
		URI:   h.origin(r) + r.HTTP.URL.EscapedPath() + "?api-version=" + string(r.Version),
		Guard: func(tx store.Tx) error { return h.admitAgain(tx, r) },
	}
}
