//go:build cluster

package midas

import (
	"context"

	"midas/internal/store"
	"midas/internal/store/postgres"
)

// sharedEngines are the engines that several replicas share.
func sharedEngines() []engine {
	open := func(scheme string) func(string, engineOptions) (store.Engine, error) {
		return func(location string, o engineOptions) (store.Engine, error) {
			return postgres.Open(context.Background(), scheme+location, postgres.Options{Log: o.log})
		}
	}
	return []engine{
		{scheme: "postgres://", location: "hosts and a database", open: open("postgres://")},
		{scheme: "postgresql://", location: "hosts and a database", open: open("postgresql://")},
	}
}
