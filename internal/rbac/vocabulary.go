package rbac

import (
	"strings"

	"midas/internal/arm"
)

// vocabulary has the actions that built-in roles mention. All texts are folded.
type vocabulary struct {
	namespaces map[string]bool // of the resource providers
	control    map[string]bool // the actions without a star
	data       map[string]bool // the data actions without a star
}

func newVocabulary() *vocabulary {
	return &vocabulary{namespaces: make(map[string]bool), control: make(map[string]bool), data: make(map[string]bool)}
}

// add adds patterns to the namespaces, and those without a star to a set of actions.
func (v *vocabulary) add(to map[string]bool, lists ...[]string) {
	for _, list := range lists {
		for _, pattern := range list {
			pattern = arm.Fold(pattern)
			namespace, _, _ := strings.Cut(pattern, "/")
			v.namespaces[namespace] = true
			if !strings.Contains(pattern, "*") {
				to[pattern] = true
			}
		}
	}
}

// knownActions tells what a custom role may mention: what built-in roles mention, and what the server has.
type knownActions struct {
	*vocabulary
	provider func(namespace string) bool
	control  func(action string) bool
}

// hasProvider reports whether a resource provider exists.
func (k knownActions) hasProvider(namespace string) bool {
	return k.namespaces[arm.Fold(namespace)] || k.provider(namespace)
}

// misplaced reports whether an action is known only as a data action but stands among the actions, or the
// reverse. Some names, such as Microsoft.KeyVault/vaults/keys/read, are both.
func (k knownActions) misplaced(pattern string, amongData bool) bool {
	name := arm.Fold(pattern)
	control, data := k.vocabulary.control[name] || k.control(pattern), k.data[name]
	if amongData {
		return control && !data
	}
	return data && !control
}
