//go:build cluster

package etcd_test

import (
	_ "go.etcd.io/etcd/server/v3/embed"
)
