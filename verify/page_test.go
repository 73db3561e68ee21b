package verify_test

import (
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// blocks returns the blocks of a language in docs/verify.md.
func blocks(t *testing.T, language string) (found []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/verify.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		code, _, closed := strings.Cut(part, "\n```\n")
		if !closed {
			t.Fatalf("a block of %s has no end", language)
		}
		found = append(found, code)
	}
	return found
}

func TestConfigurationsOfThePageAreWellFormed(t *testing.T) {
	configurations := blocks(t, "yaml")
	if len(configurations) != 2 {
		t.Fatalf("%d configurations in YAML", len(configurations))
	}
	for _, text := range configurations {
		var parsed map[string]any
		if err := yaml.Unmarshal([]byte(text), &parsed); err != nil || len(parsed) == 0 {
			t.Errorf("%v\n%s", err, text)
		}
	}
	for _, text := range blocks(t, "nginx") {
		depth := 0
		for line := range strings.Lines(text) {
			switch line = strings.TrimSpace(line); {
			case strings.HasSuffix(line, "{"):
				depth++
			case line == "}":
				depth--
			case !strings.HasSuffix(line, ";"):
				t.Errorf("the line %q has no end", line)
			}
		}
		if depth != 0 {
			t.Errorf("%d blocks are open:\n%s", depth, text)
		}
	}
}
