// Package outbound makes the HTTP requests that a caller of the server can cause: the documents of the issuers that
// federated credentials name.
//
// The names in such requests are the caller's, so a Client cannot be turned against the network of the server. It
// speaks https only, with TLS 1.2 or newer. It resolves a name once, and checks the address of each connection when
// the connection is made, so an answer of the DNS that changes between a check and the connection has no effect.
// Loopback, private and other special addresses are refused, unless the Policy of the request allows them; metadata
// services of clouds are refused always. The same holds for each redirect. No proxy of the environment, no cookie and
// no credential is used. The time, the size of the answer and the number of requests at once are bounded.
package outbound
