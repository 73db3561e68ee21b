// Package metadata is what programs on a host see: the Azure Instance Metadata Service and its sister
// protocols, by which they get tokens without a secret. Each protocol is an Endpoint of its own,
// because their paths overlap and clients tell them apart by environment variables, which Environment
// gives.
//
// An Endpoint stands for one resource and asks its Source for everything. All who can reach it are
// taken for programs of that host, so it is careful about who cannot have meant to: requests that a
// proxy has passed on, that lack the header which a tricked browser or server could not add, or that
// name a host which is not this one (a name of somebody else that was made to lead here) are refused
// before anything is looked up.
package metadata
