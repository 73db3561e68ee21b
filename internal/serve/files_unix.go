//go:build unix

package serve

import (
	"fmt"
	"math"
	"syscall"
)

// Files is how many file descriptors this process may have open (RLIMIT_NOFILE). Go has raised the soft
// limit to the hard one when it started.
func Files() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)), nil
}
