//go:build !cluster

package midas

import (
	"errors"

	"midas/internal/store"
)

var errNoCluster = errors.New("store: this binary has only the engines of one machine; the binaries of the releases, and of make build, " +
	"have etcd and PostgreSQL (go build -tags cluster)")

// sharedEngines are the engines that several replicas share. This binary knows their names only.
func sharedEngines() []engine {
	open := func(string, engineOptions) (store.Engine, error) { return nil, errNoCluster }
	return []engine{
		{scheme: "postgres://", location: "hosts and a database", open: open},
		{scheme: "postgresql://", location: "hosts and a database", open: open},
	}
}
