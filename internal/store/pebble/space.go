package pebble

import "github.com/cockroachdb/pebble/v2/vfs"

// Space returns the free bytes and all bytes of the file system of a folder.
func Space(folder string) (free, all uint64, err error) {
	usage, err := vfs.Default.GetDiskUsage(folder)
	return usage.AvailBytes, usage.TotalBytes, err
}
