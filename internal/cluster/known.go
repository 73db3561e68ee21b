package cluster

import (
	"os"
	"path/filepath"
	"strings"
)

// This file is in every binary, also in one without etcd, so that it can say what it lacks.

// Folder is the folder of a member in a data folder.
const Folder = "cluster"

// stateFile is the file of a member that is written last, so a folder with it is complete.
const stateFile = "state.json"

// pathPrefix begins the paths of the API for joining machines, on the main listener.
const pathPrefix = "/cluster/v1/"

// Serves reports whether a path belongs to the API for joining machines.
func Serves(path string) bool { return strings.HasPrefix(path, pathPrefix) }

// Exists reports whether a data folder has a member.
func Exists(data string) bool {
	_, err := os.Stat(filepath.Join(data, Folder, stateFile))
	return err == nil
}
