package main

import (
	"fmt"
	"runtime"

	"midas"
)

type versionCommand struct{}

// Help is shown by midas version --help.
func (versionCommand) Help() string {
	return `The commit and its date are known in binaries that were built in a git repository.

Example:

  midas version`
}

// Run prints the version.
func (versionCommand) Run(to streams) error { return print(to, version()+"\n") }

// version is one line about this program.
func version() string {
	return fmt.Sprintf("midas %s %s %s/%s", midas.ThisBuild(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
