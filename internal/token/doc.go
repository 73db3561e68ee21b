// Package token signs and verifies the access tokens of one installation.
//
// Keys is the set of RSA-2048 signing keys. Each key is one row of the store, sealed with a master key
// that is not in the store. A row holds the times at which its key was created and begins to sign. All
// replicas derive the rest from the same rows: the key that has begun last signs, and a superseded key
// stays published until the last token that it can have signed has expired.
//
// Issuer mints tokens with the claims of Entra's access tokens. Minter caches them and returns the same
// token until half its lifetime, because a signature takes nearly a millisecond. Verifier accepts only
// tokens of Issuer, and caches its results.
package token
