// Package management implements the API of Azure Resource Manager (management.azure.com).
//
// One table of Operations lists all requests that the API has. A request's path is parsed into an id, a
// type and a target; the table says which operation that is, which api-versions it has and which RBAC
// action it performs. Handler.Serve checks each request in a fixed order before it calls the operation's
// function: the path, the operation, the api-version, the bearer token, the subscription, and the
// authorization. So no operation can omit one of these checks. Operations return a Response or an error;
// one function turns an *arm.Error into an answer, and any other error into a plain 500.
package management
