// Package decision answers for others whether a principal may perform actions: a resource service, such as a
// Kubernetes API server, asks about its own users. Azure calls this checkAccess.
//
// A Question names a subject, actions and a resource. The resource need not exist here, because services have
// resources of their own, such as the namespaces of a cluster: rights are evaluated by scope. Parse reads a
// question from the body of a request and enforces its limits; both APIs of checkAccess have the same body.
//
// The service has authenticated its user, and vouches for the groups in the question. For role assignments the
// subject has exactly these groups, or those of the directory if the question asks for them. Deny assignments
// apply to the groups of both. A subject that is deleted or disabled may do nothing.
//
// Every Question is answered from one revision of the store.
package decision
