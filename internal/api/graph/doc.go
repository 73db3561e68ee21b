// Package graph serves the part of Microsoft Graph v1.0 that identity clients touch: users, groups,
// applications, service principals, app role assignments and directory roles of the caller's tenant.
//
// One table (operations.go) is the whole face: each row says which method and path it answers, which
// privileges it takes, whether one may do it to oneself or as an owner, and whether it writes an
// object that may be more powerful than the caller. The dispatcher checks all that before a row's
// function runs.
//
// What an object looks like is said once per kind, in a schema: a list of fields with how each is
// read and written. Answers, $select, $filter, $orderby, POST and PATCH all follow from it.
package graph
