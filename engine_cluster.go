//go:build cluster

package midas

import (
	"context"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/postgres"
)

// sharedEngines are the engines that several replicas share.
func sharedEngines() []engine {
	return []engine{
		{scheme: etcdScheme, location: etcdLocation, check: checkEtcd, open: openEtcd},
		{scheme: "postgres://", location: postgresLocation, check: checkPostgres("postgres://"), open: openPostgres("postgres://")},
		{scheme: "postgresql://", location: postgresLocation, check: checkPostgres("postgresql://"), open: openPostgres("postgresql://")},
		{scheme: clusterScheme, location: clusterLocation, open: openCluster},
	}
}

func checkEtcd(location string) error {
	_, err := etcd.Parse(location)
	return err
}

func openEtcd(ctx context.Context, location string, o engineOptions) (store.Engine, error) {
	c, err := etcd.Parse(location)
	if err != nil {
		return nil, err
	}
	return etcd.Open(ctx, c, etcd.Options{Log: o.log})
}

func checkPostgres(scheme string) func(string) error {
	return func(location string) error { return postgres.Check(scheme + location) }
}

func openPostgres(scheme string) func(context.Context, string, engineOptions) (store.Engine, error) {
	return func(ctx context.Context, location string, o engineOptions) (store.Engine, error) {
		return postgres.Open(ctx, scheme+location, postgres.Options{Log: o.log})
	}
}
