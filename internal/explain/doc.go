// Package explain answers whether a principal may perform an action at a scope, and why.
//
// The decision is that of rbac.Service.Decide. The package adds what else can refuse a request (a principal that
// does not exist or is disabled, a locked scope, a subscription that takes no changes), the groups through which
// the principal has an assignment, and the smallest built-in role that would allow the action. All of an answer is
// read in one transaction, so that it describes one moment.
//
// Everyone may ask about themselves. Who may ask about others is decided by the caller of the package (MayAsk).
package explain
