// Package metadata serves the Azure Instance Metadata Service and the similar protocols of other Azure
// services. Programs on a host use them to get tokens without a secret. Each protocol has an Endpoint of its
// own, because their paths overlap. Clients choose a protocol by environment variables; Environment returns
// them.
//
// An Endpoint serves one resource and gets all data from its Source. Every client that can reach it counts as
// a program of the host. Attackers may make browsers or servers on the host send requests, so an Endpoint
// refuses some requests before it looks anything up: requests that a proxy has passed on; requests without the
// header "Metadata: true", which an attacker usually cannot add; and requests for another host name, which
// DNS rebinding causes.
package metadata
