// Package serve has the code that every serving process needs: listeners on configured addresses, HTTP servers
// on them, limits on connections and file descriptors, a buffered log, and the release of resources at the end.
package serve

// How the file descriptors of a process are divided.
const (
	reservedFiles  = 128   // logs, sockets for commands and probes, requests to others, the store's logs and locks
	maxStoreFiles  = 500   // tables that the store may have open at once; more would not be faster
	minStoreFiles  = 64    // with fewer, the store would constantly close and open tables
	minConnections = 16    // allowed even if the limit of files is smaller
	maxConnections = 32768 // each takes some 50 KB of memory besides its file
)

// Plan is a division of the file descriptors of a process.
type Plan struct {
	Connections int // open connections of all listeners together
	Each        int // open connections of one client address
	StoreFiles  int // open tables of the store
}

// Divide divides a number of file descriptors. The store gets a quarter, up to maxStoreFiles, so that
// connections cannot use up the files that it needs for writing. One address gets half of the connections:
// many clients may share an address, but one address must not use all connections.
func Divide(files int) Plan {
	store := min(maxStoreFiles, max(minStoreFiles, files/4))
	connections := min(maxConnections, max(minConnections, files-store-reservedFiles))
	return Plan{Connections: connections, Each: connections / 2, StoreFiles: store}
}
