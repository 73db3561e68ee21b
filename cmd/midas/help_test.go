package main

import (
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEveryCommandHasHelpWithAnExample walks over the whole command line, so that no new
// command can forget to. An example is an indented line below "Example:" that names the command.
func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	seen := 0
	err := kong.Visit(newParser(io.Discard, io.Discard).Model, func(n kong.Visitable, next kong.Next) error {
		var node *kong.Node
		switch n := n.(type) {
		case *kong.Application:
			node = n.Node
		case *kong.Node:
			node = n
		default:
			return next(nil)
		}
		seen++
		path, _, _ := strings.Cut(node.Path(), " (") // without the aliases
		if command := strings.TrimSpace("midas " + path); !hasExample(node.Detail, command) {
			t.Errorf("%s --help has no example:\n%s", command, node.Detail)
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 40 {
		t.Errorf("only %d commands were seen", seen)
	}
}

func hasExample(help, command string) bool {
	help = "\n" + help
	_, examples, found := strings.Cut(help, "\nExamples:\n")
	if !found {
		_, examples, _ = strings.Cut(help, "\nExample:\n")
	}
	for line := range strings.Lines(examples) {
		if strings.HasPrefix(line, "  ") && strings.Contains(line, command) {
			return true
		}
	}
	return false
}
