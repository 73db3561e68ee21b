// Package witness holds no code, only tests: unmodified Azure SDK clients for Go, and hostile ones,
// against a real server behind TLS on 127.0.0.1. What the SDK can do here, programs written for
// Azure can do here.
//
// Every client goes through a guard, which connects to loopback addresses and to nothing else, so
// that no test can talk to the real Azure by mistake, and which fails the test when the server
// answers any request with a 5xx, or with what Microsoft's OpenAPI files do not have (internal/oracle).
package witness
