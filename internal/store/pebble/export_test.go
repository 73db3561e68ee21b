package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// OpenOn opens a durable store on a file system that can fail or crash.
func OpenOn(fs vfs.FS) (*Engine, error) { return OpenWith(fs, Options{}) }

// OpenWith is OpenOn with options.
func OpenWith(fs vfs.FS, o Options) (*Engine, error) { return open("store", fs, o) }

// Break makes the engine behave as if a write had failed.
func (e *Engine) Break(err error) { e.gen.Load().fence.fail(err) }
