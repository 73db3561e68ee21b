//go:build unix

package serve

import (
	"fmt"
	"math"
	"syscall"
)

// Files returns the number of file descriptors that this process may have open: the soft limit RLIMIT_NOFILE,
// which the Go runtime raises to the hard limit at start.
func Files() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)), nil
}
