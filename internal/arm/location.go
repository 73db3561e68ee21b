package arm

import "strings"

// Location is a region's name in ARM's normal form: lower case without spaces, so that "West US"
// and westus are one.
func Location(s string) string { return Fold(strings.ReplaceAll(s, " ", "")) }
