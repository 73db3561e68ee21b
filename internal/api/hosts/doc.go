// Package hosts is what the agents on hosts talk to: they are admitted, renew their certificates, get
// tokens, and wait for changes of what they may have.
//
// Who a host is, is known from its client certificate, which TLS has checked, and from nothing else.
// No request names a resource, so there is no request for somebody else's token.
package hosts
