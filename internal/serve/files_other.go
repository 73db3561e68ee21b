//go:build !unix

package serve

import "math"

// Files is how many file descriptors this process may have open; this system has no limit of its own.
func Files() (int, error) { return math.MaxInt32, nil }
