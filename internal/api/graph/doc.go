// Package graph serves the part of Microsoft Graph v1.0 that identity clients touch: users, groups,
// applications, service principals, app role assignments and directory roles of the caller's tenant.
//
// One table (operations.go) lists all operations. Each row has the method and the path, the privileges
// that it needs, whether the object itself or its owners may call it without them, and whether it is
// guarded because its object may have more privileges than the caller. The dispatcher checks all that
// before it calls the row's function.
//
// One schema for each kind of object lists its properties and how each is read and written. Responses,
// $select, $filter, $orderby, POST and PATCH all use it.
package graph
