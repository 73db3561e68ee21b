// Package bindingproxy is the identity-binding proxy for Kubernetes clusters. Azure Kubernetes Service has such a
// proxy for identity bindings; this one is for any cluster and for Midas.
//
// A pod sends its token request to the proxy instead of the token endpoint. The pod's service-account token is for
// the audience api://AKSIdentityBinding, so it is good for nothing but the proxy. The proxy decides in two steps, both
// by the Kubernetes API server:
//
//  1. A TokenReview says whose token it is, and that the token's pod and service account still exist.
//  2. A SubjectAccessReview says whether the service account may use-managed-identity of the client id.
//
// Then the proxy sends its own service-account token to Midas and returns the answer. An identity so needs one
// federated credential, whose subject is the proxy's service account, for any number of service accounts.
//
// The proxy sends nothing of a request to Midas but the client id, the scope and the claims. It stores and remembers
// nothing: each request is reviewed, so a deleted pod and a removed permission count at once. When the API
// server does not answer, the proxy refuses.
package bindingproxy
