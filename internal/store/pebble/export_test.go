package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// OpenOn opens a durable store on a file system that can fail or crash.
func OpenOn(fs vfs.FS) (*Engine, error) {
	opts := databaseOptions(Options{})
	opts.FS = fs
	return open("store", opts)
}
