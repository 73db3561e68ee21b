package expression_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"midas/internal/federation/expression"
)

// TestExpressionsOfThePageAreValid parses each expression of docs/federation.md.
func TestExpressionsOfThePageAreValid(t *testing.T) {
	page, err := os.ReadFile("../../../docs/federation.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), `'\''`, "'") // as a shell reads it
	found := regexp.MustCompile("claims\\['[^\n`\"]*'").FindAllString(text, -1)
	if len(found) < 3 {
		t.Errorf("the page has %d expressions", len(found))
	}
	for _, one := range found {
		if e, err := expression.Parse(one); err != nil || e.CheckIssuer("https://token.actions.githubusercontent.com") != nil {
			t.Errorf("%s: %v", one, err)
		}
	}
}
