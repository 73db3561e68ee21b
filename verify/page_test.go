package verify_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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

// TestServicesInOtherModulesUseThePackage follows the page in a folder beside that of the source.
func TestServicesInOtherModulesUseThePackage(t *testing.T) {
	source, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	service := filepath.Join(parent, "orders")
	if err := errors.Join(os.Mkdir(service, 0o755), os.Symlink(source, filepath.Join(parent, "midas"))); err != nil {
		t.Skip("symbolic links are not allowed:", err)
	}
	use := strings.Replace(blocks(t, "go")[0], "\ndefer", "\nif err != nil {\nreturn err\n}\ndefer", 1)
	program := "package orders\n\nimport (\n\"context\"\n\"net/http\"\n\n\"midas/verify\"\n)\n\n" +
		"func serve(ctx context.Context, issuer string, pem []byte, handler http.Handler) error {\n" + use + "\nreturn http.ListenAndServe(\"\", nil)\n}\n\nvar _ = serve\n"
	if err := os.WriteFile(filepath.Join(service, "orders.go"), []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	commands := append([]string{"go mod init orders.example/orders"}, strings.Split(blocks(t, "sh")[0], "\n")...)
	for _, command := range append(commands, "go vet .") {
		words := strings.Fields(command)
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir, cmd.Env = service, append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}
