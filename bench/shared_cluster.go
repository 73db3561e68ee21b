//go:build e2e && cluster

package main

// buildTags are the tags of the measured binary.
const buildTags = "cluster"

// sharedParts are measurements of several replicas, each on databases of its own.
func sharedParts() map[string]func(*bench) error {
	return map[string]func(*bench) error{
		"etcd":     func(b *bench) error { return onStage(func(s *stage) error { return b.shared(s, startEtcd) }) },
		"postgres": func(b *bench) error { return onStage(func(s *stage) error { return b.shared(s, startPostgres) }) },
	}
}
