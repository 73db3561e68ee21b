package midas_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayFoldCase names the files outside of internal/arm that change or ignore case, and why that is not
// about names.
var mayFoldCase = map[string]string{
	"internal/agent/fabric.go":         "hexadecimal digits of a thumbprint that was just made",
	"cmd/midas/ca.go":                  "the name of a file, from a certificate of ours",
	"internal/password/password.go":    "random letters of a password",
	"internal/api/graph/credential.go": "hexadecimal digits of a thumbprint",
	"internal/api/metadata/network.go": "hexadecimal digits of a hardware address, as IMDS shows them",
	"internal/oracle/spec.go":          "paths in Microsoft's files, for tests",
	"cmd/midas/inherited.go":           "names of environment variables, which Windows compares so",
	"bench/engine.go":                  "a path that the bench itself has made",
	"verify/list.go":                   "object ids in lists of revocations, in a package without imports of ours",
	"verify/request.go":                "the name of an authentication scheme, in a package without imports of ours",
	"bench/load.go":                    "the name of an HTTP header that the bench itself reads",
}

var foldingFunctions = []string{
	"EqualFold", "ToLower", "ToUpper", "ToTitle", "ToLowerSpecial", "ToUpperSpecial", "ToTitleSpecial", "SimpleFold",
}

// Only arm.Fold may fold case and only arm.SameName may ignore it: with two ways to compare names, one id
// could have two records.
func TestOnlyARMFoldsCase(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if path != "." && strings.HasPrefix(d.Name(), ".") || path == filepath.Join("internal", "arm") {
				return filepath.SkipDir
			}
			return nil
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || mayFoldCase[filepath.ToSlash(path)] != "":
			return nil
		}
		checkFolding(t, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkFolding(t *testing.T, path string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.SelectorExpr)
		if !ok || !slices.Contains(foldingFunctions, call.Sel.Name) {
			return true
		}
		if of, ok := call.X.(*ast.Ident); ok && slices.Contains([]string{"strings", "bytes", "unicode"}, of.Name) {
			t.Errorf("%s uses %s.%s: names are compared by arm.SameName and folded by arm.Fold", files.Position(n.Pos()), of.Name, call.Sel.Name)
		}
		return true
	})
}
