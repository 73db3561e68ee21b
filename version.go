package midas

import (
	"runtime/debug"
	"strings"
)

// The linker sets these in the binaries of releases (Makefile).
var stampedVersion, stampedCommit, stampedDate string

// Build says from what this Midas was built.
type Build struct {
	Version string // "1.2.3", or "(devel)" if it is not known
	Commit  string // of the source; empty if it is not known
	Date    string // of the commit, as 2026-11-27; empty if it is not known
}

// ThisBuild returns what the linker or Go has noted in the binary.
func ThisBuild() Build {
	b := Build{Version: "(devel)"}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Date, _, _ = strings.Cut(s.Value, "T")
			}
		}
	}
	if stampedVersion != "" {
		b = Build{Version: stampedVersion, Commit: stampedCommit, Date: stampedDate}
	}
	b.Commit = b.Commit[:min(len(b.Commit), 12)]
	return b
}

// String returns the version, with the commit and its date if they are known.
func (b Build) String() string {
	switch {
	case b.Commit == "":
		return b.Version
	case b.Date == "":
		return b.Version + " (" + b.Commit + ")"
	}
	return b.Version + " (" + b.Commit + ", " + b.Date + ")"
}

// Version returns the version of this Midas.
func Version() string { return ThisBuild().Version }
