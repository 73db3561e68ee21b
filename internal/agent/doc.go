// Package agent runs beside workloads. Server serves the metadata endpoints of one resource, and Agent gets
// the tokens for them from the server. Agent has the host's credential, a certificate whose key never
// leaves the host, and can only get tokens for the identities of the host's resource.
//
// Tokens are cached until half of their lifetime is over. While the server does not answer, the last valid
// token is returned until it expires, so that workloads survive an outage. Identities can be removed at any
// moment, so the agent keeps one request open that the server answers as soon as anything changes. After
// such an answer no token is returned that the new state does not allow. While the request cannot be kept
// open, the agent uses cached state for one second and then asks the server again.
package agent
