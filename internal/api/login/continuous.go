package login

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/token"
)

// The support of continuous access evaluation. A client that handles its challenges gets tokens that live longer, for
// the resources that look every request's subject up and challenge it after a revocation.

// capabilityCAE is the capability that such a client declares in its claims parameter. Some clients spell it in
// lower case.
const capabilityCAE = "CP1"

// spreadPart is the part of the lifetime of long tokens that is random, so that clients which started together do not
// ask for new tokens together: with 24 hours, tokens live for 20 to 24.
const spreadPart = 6

// continuous reports whether a client of a request handles challenges.
func (req *tokenRequest) continuous() bool {
	return req.claims != "" && slices.ContainsFunc(capabilities(req.claims), func(c string) bool { return arm.SameName(c, capabilityCAE) })
}

// evaluates reports whether the resource with an audience challenges requests with revoked tokens: ARM and Microsoft
// Graph, also under the name of this server.
func (h *tokens) evaluates(audience string) bool {
	origin := h.issuer().Origin
	if audience == origin || audience == origin+"/" || graphAudiences()[audience] {
		return true
	}
	return slices.Contains(directory.ResourceNames(directory.ARMAppID), audience)
}

// requestAccess returns the request for an access token of claims that are complete but for the lifetime. No token is
// returned that was issued before after, or before the client's challenge. A user's token is long only for clients of
// Microsoft: the permissions of others end with their consent, which resources read from the token.
func (h *tokens) requestAccess(req *tokenRequest, c client, claims token.Claims, after time.Time) token.Request {
	r := token.Request{Claims: claims, Lifetime: h.tokenLifetime(), After: later(after, req.challenged(h.Now()))}
	user := claims.IdentityType == "user"
	if !user {
		r.Lifetime = h.lifetimeOf(c)
	}
	if h.ContinuousLifetime <= r.Lifetime || !req.continuous() || !h.evaluates(claims.Audience) {
		return r
	}
	if user && !c.FirstParty {
		return r
	}
	optional := token.OptionalClaims{}
	if claims.Optional != nil {
		optional = *claims.Optional
	}
	optional.Capabilities = capabilities(req.claims)
	r.Spread = min(h.ContinuousLifetime/spreadPart, h.ContinuousLifetime-r.Lifetime).Truncate(time.Second)
	r.Claims.Optional, r.Lifetime = &optional, h.ContinuousLifetime
	return r
}

// challenged returns the time before which no token is good for the client, as the claims of a challenge say. It is
// never later than now, because a client must not get tokens of the future. Without a challenge it is zero.
func (req *tokenRequest) challenged(now time.Time) time.Time {
	if req.claims == "" {
		return time.Time{}
	}
	var asked struct {
		AccessToken struct {
			NotBefore struct {
				Value json.RawMessage `json:"value"`
			} `json:"nbf"`
		} `json:"access_token"`
	}
	if json.Unmarshal([]byte(req.claims), &asked) != nil {
		return time.Time{}
	}
	value := string(asked.AccessToken.NotBefore.Value)
	if plain, err := strconv.Unquote(value); err == nil {
		value = plain
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil || seconds <= 0 {
		return time.Time{}
	}
	return time.Unix(min(seconds, now.Unix()), 0).UTC()
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
