// Package httpx is the HTTP plumbing that every face shares and that knows nothing of identities:
// it wraps a face into an http.Handler that survives panics, gives each request its ids, bounds
// what a client may send, and ends each request with one log line and one set of metrics.
//
// The face fills an Event while it serves; httpx fills what only the outside can know (status,
// bytes, duration) and reports it. What is in no Event can be in no log line: bodies, query strings
// and the Authorization header are never in one.
//
// Three limits are enforced in three places. The size of headers and all timeouts belong to the
// http.Server, which Server builds. The length of the URI is checked by New, and worded by the face
// if it is a Refuser. The size of the body is enforced while the face reads it: the face sees an
// *http.MaxBytesError and answers 413 in its own words.
package httpx
