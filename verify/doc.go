// Package verify checks the access tokens of a Midas tenant in a Go service: signature, issuer, audience, times,
// tenant, the kind of the caller, roles and scopes, and whether the token was revoked.
//
//	v, err := verify.New(ctx, "https://midas.example/TENANT/v2.0", "api://orders", verify.WithCA(pem))
//	...
//	defer v.Close()
//	http.Handle("/orders", v.With(verify.RequireAnyRole("Orders.Read")).Middleware(handler))
//
// A Verifier reads the tenant's discovery documents once, and keeps its signing keys and its signed list of
// revocations fresh in the background. A token that was good is remembered by its SHA-256, so that a later check
// takes no signature verification; that check still heeds the clock, keys that were removed and the newest list.
//
// When the tenant cannot be reached, a Verifier goes on with the keys and the list that it has, each for a bounded
// time, and then refuses every token with ErrUnavailable.
//
// The package imports nothing else of Midas.
package verify
