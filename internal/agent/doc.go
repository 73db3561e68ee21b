// Package agent runs beside workloads. Server serves the metadata endpoints of one resource, and Agent gets
// the tokens for them from the server. Agent holds the host's credential, a certificate whose key never
// leaves the host, and gets for the metadata endpoints what the server lets this host have.
//
// Tokens are kept until half their life is over, and while the server is away the last good one is
// given until it expires, so that workloads live through an outage. What a host may have can end at
// any moment, though: the agent keeps one request open at the server, which is answered as soon as
// anything changes, and from then on no token is given that the new state does not allow. While that
// request cannot be kept open, the agent trusts what it knows for one second and then asks again.
package agent
