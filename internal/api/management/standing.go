package management

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/store"
	"midas/internal/token"
)

// standing refuses tokens whose subject is not what it was when they were issued: it was deleted or
// disabled since, or its tokens were revoked. For all others it gives the groups that the subject is
// in. It reads a record, which is kept decoded, and small scans, which are cached.
func (h *Handler) standing(tx store.Tx, c challenge, claims *token.Claims) (groups []string, err error) {
	now, err := h.Directory.Standing(tx, claims.TenantID, claims.ObjectID)
	switch {
	case errors.Is(err, directory.ErrNotFound), err == nil && !now.Enabled:
		return nil, c.unauthorized("InvalidAuthenticationToken", "The access token is invalid.", "")
	case err != nil:
		return nil, fmt.Errorf("look up %s: %w", claims.ObjectID, err)
	case claims.IssuedAt.Before(now.ValidFrom):
		return nil, c.revoked(now.ValidFrom.Unix())
	}
	// ARM asks the directory for groups, not the token: a change of membership holds at once.
	return h.Directory.TransitiveMemberOf(tx, claims.TenantID, claims.ObjectID)
}

// revoked is the challenge of continuous access evaluation: clients that know it ask for a token
// again, with these claims, and so get none from their caches.
func (c challenge) revoked(validFrom int64) error {
	const description = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"
	claims := `{"access_token":{"nbf":{"essential":true,"value":"` + strconv.FormatInt(validFrom, 10) + `"}}}`
	err := arm.Errorf(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", description)
	err.Header = http.Header{"Www-Authenticate": {fmt.Sprintf(
		`Bearer realm="", authorization_uri="%s/common/oauth2/authorize", error="insufficient_claims", error_description="%s", claims="%s"`,
		c.origin, description, base64.StdEncoding.EncodeToString([]byte(claims)))}}
	return err
}
