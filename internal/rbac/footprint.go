package rbac

import (
	"slices"
	"strings"

	"midas/internal/arm"
)

// footprint says how much a role allows, by the folded namespaces of the resource providers.
type footprint struct {
	reads, writes map[string]int // actions of the control plane: those that end in /read, and all others
	data          map[string]int // actions of the data plane
	housekeeping  int            // actions that most roles have beside their purpose, such as deployments
	everywhere    bool           // a pattern is not bound to one resource provider, such as */read
}

// isHousekeeping reports whether a pattern or an action, which is folded, is one that most built-in roles have
// beside their purpose: to read assignments, to deploy templates, to manage alerts, and to open support requests.
func isHousekeeping(text string) bool {
	for _, prefix := range []string{
		"microsoft.insights/alertrules/", "microsoft.resources/deployments/", "microsoft.support/",
		"microsoft.resourcehealth/availabilitystatuses/",
	} {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return text == "microsoft.authorization/*/read" || text == "microsoft.resources/subscriptions/resourcegroups/read"
}

// namespaceOf returns what is before the first slash of an action.
func namespaceOf(text string) string {
	namespace, _, _ := strings.Cut(text, "/")
	return namespace
}

// catalogue has actions by the namespaces of their providers, all folded.
type catalogue struct{ control, data map[string][]string }

// newCatalogue returns the actions that roles name. A pattern with a wildcard stands for one action of each kind, so
// that a role with the pattern is larger than one that names the same actions in full.
func newCatalogue(all []*role) catalogue {
	c := catalogue{control: map[string][]string{}, data: map[string][]string{}}
	add := func(to map[string][]string, patterns []string) {
		for _, p := range patterns {
			p = arm.Fold(p)
			if namespace := namespaceOf(p); !strings.Contains(namespace, "*") {
				to[namespace] = append(to[namespace], exampleActions(p)...)
			}
		}
	}
	for _, r := range all {
		for _, p := range r.Permissions {
			add(c.control, slices.Concat(p.Actions, p.NotActions))
			add(c.data, slices.Concat(p.DataActions, p.NotDataActions))
		}
	}
	for _, side := range []map[string][]string{c.control, c.data} {
		for namespace, list := range side {
			slices.Sort(list)
			side[namespace] = slices.Compact(list)
		}
	}
	return c
}

// exampleActions returns actions that a pattern matches.
func exampleActions(pattern string) []string {
	filled := strings.ReplaceAll(pattern, "*", "x")
	head, open := strings.CutSuffix(filled, "/x")
	if !strings.HasSuffix(pattern, "*") || !open {
		return []string{filled}
	}
	return []string{head + "/read", head + "/write", head + "/delete", head + "/x/action"}
}

// footprint counts what a role allows of the catalogue.
func (c catalogue) footprint(r *role) *footprint {
	f := &footprint{reads: map[string]int{}, writes: map[string]int{}, data: map[string]int{}}
	for _, p := range r.Permissions {
		for _, pattern := range slices.Concat(p.Actions, p.DataActions) {
			f.everywhere = f.everywhere || strings.Contains(namespaceOf(pattern), "*")
		}
	}
	for namespace, list := range c.control {
		r.eachAllowed(namespace, list, false, func(name string) {
			switch {
			case strings.HasSuffix(name, "/read"):
				f.reads[namespace]++
			case isHousekeeping(name):
				f.housekeeping++
			default:
				f.writes[namespace]++
			}
		})
	}
	for namespace, list := range c.data {
		r.eachAllowed(namespace, list, true, func(string) { f.data[namespace]++ })
	}
	return f
}

// eachAllowed calls visit with each action of a namespace that the role allows.
func (r *role) eachAllowed(namespace string, names []string, data bool, visit func(string)) {
	if !r.mayAllow(namespace, data) {
		return
	}
	for _, name := range names {
		if r.allows(name, data) {
			visit(name)
		}
	}
}

// mayAllow reports whether a pattern of the role can match an action of a namespace.
func (r *role) mayAllow(namespace string, data bool) bool {
	for _, p := range r.Permissions {
		patterns := p.Actions
		if data {
			patterns = p.DataActions
		}
		for _, text := range patterns {
			its := namespaceOf(arm.Fold(text))
			if its == namespace || strings.Contains(its, "*") {
				return true
			}
		}
	}
	return false
}

// isAbout reports whether a role is made for the resource provider of an action, which is folded: it allows nothing
// of other providers except housekeeping, or its name begins with the name of the provider or of the resource type.
func (r *role) isAbout(wanted string) bool {
	words := strings.Split(wanted, "/")
	_, provider, _ := strings.Cut(words[0], ".")
	name := strings.ReplaceAll(strings.TrimPrefix(arm.Fold(r.RoleName), "azure "), " ", "")
	for _, word := range append(words[1:max(1, len(words)-1)], provider) {
		if word = strings.TrimSuffix(word, "s"); word != "" && strings.HasPrefix(name, word) {
			return true
		}
	}
	own := false
	for _, p := range r.Permissions {
		for _, text := range slices.Concat(p.Actions, p.DataActions) {
			switch text = arm.Fold(text); {
			case isHousekeeping(text):
			case namespaceOf(text) != words[0]:
				return false
			default:
				own = true
			}
		}
	}
	return own
}
