// Package midas runs managed identities as a service: the Azure Resource Manager API of
// user-assigned identities, the Microsoft Entra token endpoints and role-based access, on your own
// machines, for unmodified clients.
//
// Start opens the data folder and the store and serves HTTPS. The first start also creates a tenant, a
// subscription, an administrator and a certificate authority. Config has all settings. The command is
// cmd/midas; package midastest runs a server in the tests of other programs.
package midas
