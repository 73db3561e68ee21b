// Package midas runs managed identities as a service: the Azure Resource Manager API of
// user-assigned identities, the Microsoft Entra token endpoints and role-based access, on your own
// machines, for unmodified clients.
//
// Start opens the data folder and the store, makes on the first start what a first request needs
// (a tenant, a subscription, an administrator, a certificate authority), and serves HTTPS. All that
// can be chosen is in Config. The command is cmd/midas; package midastest is for other people's
// tests.
package midas
