//go:build e2e && cluster

// Package servertest runs the database servers of Debian's packages for tests: etcd and PostgreSQL. The servers
// listen on 127.0.0.0/8, keep their data in temporary folders, and end with the test.
package servertest
