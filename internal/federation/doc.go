// Package federation decides whether the token of another issuer authenticates an application or a managed identity
// here. A workload presents such a token as a client assertion (RFC 7523), and gets a token of the identity.
//
// A Credential of the identity names the issuer, the subject and the audience that it trusts. Match compares them
// with an assertion. Nothing is asked from an issuer before a credential matches.
package federation
