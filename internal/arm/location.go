package arm

import "strings"

// Location returns a region's name in ARM's normal form: lower case without spaces, so that "West US" and
// westus are equal.
func Location(s string) string { return Fold(strings.ReplaceAll(s, " ", "")) }

// ValidLocation reports whether a name, in normal form, can be a region: letters, digits and
// hyphens, at most 64 of them.
func ValidLocation(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
