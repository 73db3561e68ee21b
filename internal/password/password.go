// Package password makes the passwords of users for whom nobody has chosen one: of the administrator at the
// first start, and of "midas user add".
package password

import (
	"crypto/rand"
	"strings"
)

// Generate returns a password that satisfies the policy of the directory: 26 random letters and digits in
// groups (about 130 bits), in lower and upper case, with symbols between them.
func Generate() string {
	text := rand.Text()
	return strings.ToLower(text[:9]) + "-" + text[9:18] + "-" + text[18:] + "-7"
}
