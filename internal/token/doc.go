// Package token signs and verifies the access tokens of one installation.
//
// Keys is the ring of RSA-2048 signing keys. Each key is one row of the store, sealed with a master
// key that never lies there. A row says only when its key was made and from when on it signs;
// everything else follows from the rows together: the key that signs is the one that began last,
// and a key that has been superseded stays published until the last token that it can have signed
// has expired. So replicas agree without talking to each other, by reading the same rows.
//
// Issuer mints tokens with the claims and the spelling of Entra's v1.0 access tokens. Minter keeps
// what Issuer has minted and hands it out again until half its life, because a signature costs
// nearly a millisecond. Verifier accepts exactly what Issuer mints, and remembers what it accepted.
package token
