//go:build !cluster

package midas

import "errors"

// errLocal is the error of a store that only the other binary can open.
var errLocal = errors.New("this binary has only the engines memory: and pebble:, for one machine; the binary with all engines " +
	"comes from a release, from the image, or from make build (go build -tags cluster ./cmd/midas)")

// sharedEngines are the engines that several replicas share. This binary knows their names only, because their
// libraries would make its first build take much longer.
func sharedEngines() []engine {
	missing := func(string) error { return errLocal }
	return []engine{
		{scheme: etcdScheme, location: etcdLocation, check: missing},
		{scheme: "postgres://", location: postgresLocation, check: missing},
		{scheme: "postgresql://", location: postgresLocation, check: missing},
		{scheme: clusterScheme, location: clusterLocation, check: missing},
	}
}
