// Package revocation publishes which tokens of a tenant are refused before they expire, as a signed list that
// relying parties fetch and keep, and ends the records of revocations.
//
// Package directory writes a record in the transaction that ends a subject's tokens: a revocation, a new password,
// a disabled or deleted object. The list is made of these records, and nothing else decides what is in it. It is
// made again when its version is older than that of the records, so a token that was revoked before a request for
// the list is in the answer. The list is public and everybody may ask for it: between two changes all requests
// share one signed text, and the time that is spent on making lists is bounded.
package revocation
