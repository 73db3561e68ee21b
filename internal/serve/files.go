// Package serve is what every process that serves requests needs: listeners on addresses of the
// configuration, HTTP servers on them, bounds of connections and file descriptors, a buffered log, and
// the release of everything in the end.
package serve

// What a process keeps file descriptors for, besides connections.
const (
	reservedFiles  = 128   // logs, sockets for commands and probes, requests to others, the store's logs and locks
	maxStoreFiles  = 500   // tables that the store has open at once; more are not faster
	minStoreFiles  = 64    // with fewer the store closes and opens tables all the time
	minConnections = 16    // however few files there are
	maxConnections = 32768 // each takes some 50 KB of memory besides its file
)

// Plan says how the file descriptors of a process are shared out.
type Plan struct {
	Connections int // open at once, on all listeners together
	Each        int // of one address
	StoreFiles  int // for the store's tables
}

// Divide shares out so many file descriptors. The store gets a quarter, up to what it can use, so that
// no number of connections keeps it from writing. One address gets half of the connections: many clients
// may stand behind one, and it must not be all.
func Divide(files int) Plan {
	store := min(maxStoreFiles, max(minStoreFiles, files/4))
	connections := min(maxConnections, max(minConnections, files-store-reservedFiles))
	return Plan{Connections: connections, Each: connections / 2, StoreFiles: store}
}
