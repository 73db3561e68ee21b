// Package lab serves the laboratory API, with which tests and people change how a server with Config.Lab behaves: they
// move its clock, inject faults and delays, fix the ids of objects, and return the server to an earlier state.
//
// The API is at /lab/v1 of the main listener. Only the administrator may use it, with a bearer token for Azure Resource
// Manager, or with the client id and the secret of admin.json by HTTP Basic authentication (RFC 7617), which works
// whatever the clock, the faults and the directory say. Bodies are JSON, errors have ARM's form. Each change is one line
// of the log. No fault applies to this API.
package lab
