package condition

import "midas/internal/arm"

// Source says where an attribute is found.
type Source int

// The sources of attributes.
const (
	Request     Source = iota // what the request asks for
	Resource                  // the resource as it is
	Principal                 // custom security attributes of the caller
	Environment               // the circumstances of the request
	numSources  = iota
)

var sourceNames = [numSources]string{"Request", "Resource", "Principal", "Environment"}

// String returns the name of the source, without the @ of the language.
func (s Source) String() string { return sourceNames[s] }

// parseSource finds a source by its name, in any case.
func parseSource(name string) (Source, bool) {
	for i, known := range sourceNames {
		if arm.SameName(known, name) {
			return Source(i), true
		}
	}
	return 0, false
}
