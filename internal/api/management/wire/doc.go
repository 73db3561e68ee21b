// Package wire holds the bodies of ARM requests and answers, and the gates: which api-version of
// Microsoft.ManagedIdentity knows which field and which operation.
//
// All versions of that provider differ only by what they add or leave out, so there is one struct
// for each resource, the union of all versions, and one table. Reading a body takes only what the
// version can see and keeps the rest of the resource as it is; writing shows only what the version
// can see.
package wire
