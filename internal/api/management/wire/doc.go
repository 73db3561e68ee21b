// Package wire has the bodies of ARM requests and answers, and the gates: which fields and operations each
// api-version of Microsoft.ManagedIdentity has.
//
// The versions of that provider differ only in the fields and operations that they have. So each resource has
// one struct, the union of all versions, and there is one table of gates. A request changes only fields that
// its version has, and an answer has only these.
package wire
