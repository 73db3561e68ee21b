//go:build !unix

package serve

import "math"

// Files returns the number of file descriptors that this process may have open. This system has no limit.
func Files() (int, error) { return math.MaxInt32, nil }
