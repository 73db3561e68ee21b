// Package login is the API that stands for login.microsoftonline.com: discovery documents, key sets,
// the token endpoints of v1.0 and v2.0, and the sign-in pages, for every tenant.
//
// A path is /{tenant}/{endpoint}. The tenant is an id, a domain name, or one of the shared names common
// and organizations. Handler.table lists all endpoints. Each belongs to one of three structs: discovery
// has what anybody may read, tokens what programs call, and signIn what users see. The three do not
// know each other; what they share stands in accounts, which knows none of them.
//
// An endpoint answers or returns an error, and only Handler.fail writes errors. A client sees an *Error,
// made by the constructors in errors*.go, one for each AADSTS number. Any other error becomes a plain
// server error, whose cause is only in the log.
//
// The token endpoint parses its form once and leaves the rest to the grant. Each grant has one file,
// grant_*.go, in which the steps are numbered.
package login
