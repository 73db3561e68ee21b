//go:build !(e2e && cluster)

package main

import "errors"

// buildTags are the tags of the measured binary.
const buildTags = ""

// sharedParts are measurements of several replicas. They need the database servers of Debian's packages.
func sharedParts() map[string]func(*bench) error {
	missing := func(*bench) error {
		return errors.New(`replicas are measured with -tags "e2e cluster", as make bench does`)
	}
	return map[string]func(*bench) error{"etcd": missing, "postgres": missing}
}
