// Package witness contains only tests: unmodified Azure SDK clients for Go, and hostile clients, send
// requests to a real server with TLS on 127.0.0.1. Programs that were written for Azure use the same SDK.
//
// All connections go through a guard. It connects only to loopback addresses, so that no test can send
// requests to the real Azure by mistake. It fails the test when the server answers a request with a 5xx, or
// with an answer that Microsoft's OpenAPI files do not allow (internal/oracle).
package witness
