// Package checkaccess serves version 2 of Azure's checkAccess, which Azure has at {region}.authorization.azure.net: a
// resource service asks whether one of its users may perform actions at a resource. Package decision answers; this
// package has the HTTP.
//
// A request is authenticated before its body is read. The caller must be of the tenant of the resource and have a right
// there (decision.Decider.MayAsk). Every other request about a resource is refused with the same 403, so that it does not
// tell whether the resource or its subscription exists.
//
// The decisions of more than one page are continued by a GET of the nextLink. The link has the rest of the question,
// sealed for the same caller; the next page is authorized and decided anew.
package checkaccess
