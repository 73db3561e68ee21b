// Package state brings a server to a declared state: resource groups, identities, resources, users, groups,
// applications, roles and their assignments that files declare.
//
// Load reads the files (YAML, JSON, or ARM templates) into a Declaration, whose objects know the file, line and
// column where they are declared. Plan reads by lists what a server has, and compares. Apply makes the changes, in
// the order of their dependencies. Export writes what a server has in the form that Load reads.
//
// The package is a client of Azure Resource Manager and Microsoft Graph: every change is a request with the
// administrator's token, so the rights, the checks and the activity log are those of the APIs. The requests go
// through an http.RoundTripper, which is the network for "midas apply" and the server's own handler for
// "midas serve --state".
//
// The table in form.go says what a file may contain. The loader and the JSON schema for editors both come from it.
package state
