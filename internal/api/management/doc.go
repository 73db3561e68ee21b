// Package management is the face of Azure Resource Manager (management.azure.com): it answers ARM
// requests.
//
// One table of Operations is the whole surface. A request's path is parsed into an id, a type and
// a target; the table says which operation that is, which api-versions it has and which RBAC
// action it performs. Everything that must never be forgotten happens in Handler.Serve, in a fixed
// order, before an operation's own function is called: the path, the operation, the api-version,
// the bearer token, the subscription, and the authorization. Operations return a Response or an
// error; one function turns an *arm.Error into an answer, and any other error into a plain 500.
package management
