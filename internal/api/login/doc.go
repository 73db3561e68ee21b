// Package login provides the API of login.microsoftonline.com: discovery documents, key sets, the token
// endpoints of v1.0 and v2.0, and the sign-in pages, for every tenant.
//
// A path is /{tenant}/{endpoint}. The tenant is an id, a domain name, or one of the shared names common
// and organizations. Handler.table lists all endpoints. Each belongs to one of three structs: discovery
// has the public endpoints, tokens those that programs call, and signIn the pages. The three do not
// depend on each other; their shared code is in accounts, which depends on none of them.
//
// An endpoint answers or returns an error, and only Handler.fail writes errors. Clients see an *Error,
// made by one of the constructors in errors*.go, one for each AADSTS number. Any other error becomes a
// plain server error, whose cause is only in the log.
//
// The token endpoint parses its form and calls the handler of the grant type. Each grant type has one
// file, grant_*.go, in which the steps are numbered.
package login
