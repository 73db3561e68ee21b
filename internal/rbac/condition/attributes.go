package condition

import (
	"strings"

	"midas/internal/arm"
)

// Attributes are the values that a condition may read. The zero value has none. A copy shares the values with the
// original.
type Attributes struct {
	sources [numSources]map[string][]Value // by attributeKey
}

// Set sets the values of an attribute. An attribute with several values is a list. Without a value, the attribute is
// absent. The name has the form of the language, such as Microsoft.Authorization/roleAssignments:PrincipalId.
func (a *Attributes) Set(source Source, name string, values ...Value) {
	if a.sources[source] == nil {
		a.sources[source] = map[string][]Value{}
	}
	if len(values) == 0 {
		delete(a.sources[source], attributeKey(name))
		return
	}
	a.sources[source][attributeKey(name)] = values
}

// Has reports whether an attribute has a value.
func (a *Attributes) Has(source Source, name string) bool {
	_, found := a.sources[source][attributeKey(name)]
	return found
}

// keySensitive is the end of the name of a tag whose key is compared with its case.
const keySensitive = "<$key_case_sensitive$>"

// attributeKey is the form in which names of attributes are compared. Names are compared without their case, but
// for the key of a tag: the text between the first colon and <$key_case_sensitive$>.
func attributeKey(name string) string {
	end := len(name) - len(keySensitive)
	if end < 0 || !arm.SameName(name[end:], keySensitive) {
		return arm.Fold(name)
	}
	colon := strings.IndexByte(name[:end], ':') + 1
	return arm.Fold(name[:colon]) + name[colon:end] + keySensitive
}
