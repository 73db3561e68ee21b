// Package login is the face that stands for login.microsoftonline.com: discovery documents, key
// sets, instance discovery and the token endpoints, v1 and v2, of every tenant.
//
// A path is /{tenant}/{endpoint}, the tenant being an id, a domain name, or one of the shared names
// common and organizations. Serve finds the endpoint and calls it; an endpoint answers or returns an
// error, and fail alone words errors. What a client may see of an error is an *Error, made by the
// constructors in errors.go, one for each AADSTS number; any other error is a fault of the server.
//
// The token endpoint parses its form once and leaves the rest to the grant. Each grant has one file,
// grant_*.go, and is written as a numbered pipeline.
package login
