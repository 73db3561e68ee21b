package password_test

import (
	"strings"
	"testing"

	"midas/internal/password"
)

func TestGeneratedPasswordsAreLongAndDifferent(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		generated := password.Generate()
		if seen[generated] || len(generated) < 26 {
			t.Fatalf("%q was generated after %d others", generated, len(seen))
		}
		if strings.ToLower(generated) == generated || strings.ToUpper(generated) == generated {
			t.Errorf("%q has letters of one case", generated)
		}
		seen[generated] = true
	}
}
