package main

import "os"

// headroom is how much more may be allocated between two collections than the live heap alone would
// allow. The heap of an idle server is a few MiB, so under load it would be collected a hundred
// times a second; with the headroom it is a few times, for a third more requests on the same cores.
const headroom = 64 << 20

// reserve takes memory that is never touched, so it costs address space only, but counts when the
// runtime decides when to collect. Whoever has tuned the collector by hand gets just that.
func reserve() []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := os.LookupEnv(name); set {
			return nil
		}
	}
	return make([]byte, headroom)
}
