// Package httpx has the HTTP code that all APIs share, and nothing about identities. It wraps the Handler
// of an API into an http.Handler that recovers from panics, gives each request its ids, limits what a
// client may send, and ends each request with one log line and one set of metrics.
//
// The Handler fills an Event while it serves. httpx fills the rest (status, bytes, duration) and reports
// it. Log lines have only the fields of an Event: an Event never has bodies, query strings or the
// Authorization header.
//
// Three limits are enforced in three places. The http.Server, which Server builds, limits the size of
// headers and has all timeouts. New checks the length of the URI; a Handler that is a Refuser writes the
// answer. The size of the body is limited while the Handler reads it: the Handler gets an
// *http.MaxBytesError and answers 413 in the form of its API.
package httpx
