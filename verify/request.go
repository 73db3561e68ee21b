package verify

import (
	"context"
	"net/http"
	"strings"
)

// claimsKey is the key of the claims in a context.
type claimsKey struct{}

// FromContext returns the claims that Middleware or Authorize has put into a context.
func FromContext(ctx context.Context) (*Claims, bool) {
	c, ok := ctx.Value(claimsKey{}).(*Claims)
	return c, ok
}

// VerifyRequest checks the token of a request, which is in its one Authorization header. Tokens in a form or a query
// are not looked for, because addresses and bodies are logged.
func (v *Verifier) VerifyRequest(r *http.Request) (*Claims, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 1 {
		return nil, ErrRequest
	}
	raw, err := bearer(strings.Join(headers, ""))
	if err != nil {
		return nil, err
	}
	return v.Verify(r.Context(), raw)
}

// Authorize checks the value of an Authorization header, or of the entry "authorization" of gRPC's metadata, and
// returns a context that has the claims for FromContext. On an error it returns the context as it is.
func (v *Verifier) Authorize(ctx context.Context, authorization string) (context.Context, error) {
	raw, err := bearer(authorization)
	if err != nil {
		return ctx, err
	}
	c, err := v.Verify(ctx, raw)
	if err != nil {
		return ctx, err
	}
	return context.WithValue(ctx, claimsKey{}, c), nil
}

// bearer returns the token of an Authorization header (RFC 6750, 2.1). Names of schemes have no case (RFC 9110, 11.1).
func bearer(authorization string) (string, error) {
	scheme, raw, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	if raw = strings.Trim(raw, " "); raw == "" {
		return "", ErrRequest
	}
	return raw, nil
}

// Middleware lets only requests with a good token through to next, which finds the claims by FromContext. Others are
// answered as RFC 6750 says: 401 with a challenge; 403 if the token is good and a requirement is not met; 400 for
// several Authorization headers. It is 503 while the Verifier cannot decide.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := v.VerifyRequest(r)
		if err != nil {
			v.refuse(w, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), claimsKey{}, c)))
	})
}
