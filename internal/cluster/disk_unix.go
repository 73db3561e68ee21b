//go:build cluster && (linux || darwin)

package cluster

import "syscall"

// freeSpace is the number of bytes that this user can still write to the file system of a folder.
func freeSpace(folder string) (bytes int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil || s.Blocks == 0 { // some file systems do not count
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
