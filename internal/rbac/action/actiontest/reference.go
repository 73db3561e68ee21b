// Package actiontest has the rule of action patterns written a second time, for tests that compare.
package actiontest

import (
	"regexp"
	"strings"

	"midas/internal/arm"
)

// Matches implements the rule of patterns with a regular expression. It is slow and simple.
func Matches(pattern, action string) bool {
	segments := strings.Split(arm.Fold(pattern), "/")
	expr := ""
	for i, s := range segments {
		last := i == len(segments)-1
		if s == "*" && i > 0 && !last {
			expr += `(?:.*/)?`
			continue
		}
		expr += strings.ReplaceAll(regexp.QuoteMeta(s), `\*`, `.*`)
		if !last {
			expr += "/"
		}
	}
	return regexp.MustCompile(`(?s)\A` + expr + `\z`).MatchString(action)
}
