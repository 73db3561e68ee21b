package expression_test

import (
	"math/rand/v2"
	"testing"
)

// TestRandomPatternsMatchAsRegularExpressions compares short patterns of few characters, which have many ways to fit.
func TestRandomPatternsMatchAsRegularExpressions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(alphabet string, most int) string {
		runes := []rune(alphabet)
		out := make([]rune, 1+random.IntN(most))
		for i := range out {
			out[i] = runes[random.IntN(len(runes))]
		}
		return string(out)
	}
	matched := 0
	for range 20_000 {
		pattern, value := word("aé*?", 8), word("aéb", 10)
		got := parse(t, "claims['sub'] matches '"+pattern+"'").Matches(claims("sub", value))
		if want := reference(pattern).MatchString(value); got != want {
			t.Fatalf("%q matches %q: %v", pattern, value, got)
		}
		if got {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d pairs match", matched)
	}
}
