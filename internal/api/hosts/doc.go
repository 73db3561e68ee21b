// Package hosts is the API for the agents on hosts: they enroll, renew their certificates, get tokens, and
// wait for changes of their identities and of their resource.
//
// A host is authenticated by its client certificate, which the TLS handshake verifies, and by nothing else.
// Requests do not name a resource, so a host cannot ask for tokens of another resource.
package hosts
