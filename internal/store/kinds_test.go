package store_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"midas/internal/store"
)

// overlap reports whether some key could have both formats. A '*' matches any segment.
func overlap(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := 0; ; i++ {
		lastX, lastY := i == len(x)-1, i == len(y)-1
		switch {
		case lastX && lastY: // the beginning of a segment
			return strings.HasPrefix(x[i], y[i]) || strings.HasPrefix(y[i], x[i])
		case lastX:
			return y[i] == "*" || strings.HasPrefix(y[i], x[i])
		case lastY:
			return x[i] == "*" || strings.HasPrefix(x[i], y[i])
		case x[i] != y[i] && x[i] != "*" && y[i] != "*":
			return false
		}
	}
}

func TestOverlapOfFormats(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"r/", "r/", true}, {"r/", "s/", false}, {"s/", "sc/", false}, {"s", "sc/", true}, {"m/admin", "m/admins", true},
		{"m/admin", "m/format", false}, {"d/", "d/*/user/", true}, {"d/*/user/", "d/*/user-name/", false},
		{"d/*/user/", "d/x/user/", true}, {"d/*/user/", "d/*/user/a/", true}, {"d/*/", "d/x", true},
	} {
		if got := overlap(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
		if got := overlap(c.b, c.a); got != c.want {
			t.Errorf("%q and %q: %v", c.b, c.a, got)
		}
	}
}

func TestNoKeyBelongsToTwoKinds(t *testing.T) {
	kinds := store.Kinds()
	for i, a := range kinds {
		for _, b := range kinds[:i] {
			if overlap(a.Keys, b.Keys) {
				t.Errorf("keys of %s and of %s overlap: %q, %q", a.Name, b.Name, a.Keys, b.Keys)
			}
			if a.Name == b.Name {
				t.Errorf("two kinds have the name %s", a.Name)
			}
		}
		if a.Name == "" || a.Keys == "" || a.Version < 0 {
			t.Errorf("incomplete: %+v", a)
		}
	}
}

func TestEveryDeclaredKindIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "kinds.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if lit, ok := spec.Values[0].(*ast.CompositeLit); ok {
			if typ, ok := lit.Type.(*ast.Ident); ok && typ.Name == "Kind" {
				declared++
			}
		}
		return true
	})
	if declared == 0 || declared != len(store.Kinds()) {
		t.Errorf("%d kinds are declared, %d are listed", declared, len(store.Kinds()))
	}
}

// indexWriters are the files that write index entries, which have no version, besides Table.
var indexWriters = map[string]int{"hierarchy/group.go": 1, "rbac/assignment.go": 1, "rbac/put.go": 1, "rbac/definition_write.go": 1, "rbac/roleuse.go": 1, "resource/association.go": 1, "resource/resource.go": 1}

// A package that decodes records without a Table would not detect a newer version.
func TestRecordsAreReadAndWrittenByTablesOnly(t *testing.T) {
	own := regexp.MustCompile(`json\.(Unmarshal|NewDecoder)\([^)]*\.Value`)
	put := regexp.MustCompile(`\b(tx|t)\.Put\(`)
	table := regexp.MustCompile(`Table\[[^\]]+\]\{\w*`)
	seen := 0
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "../store/") {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if found := own.Find(source); found != nil && bytes.Contains(source, []byte("internal/store\"")) && !strings.Contains(name, "/api/") {
			t.Errorf("%s decodes records without a Table: %s", name, found)
		}
		if n := len(put.FindAll(source, -1)); n != indexWriters[strings.TrimPrefix(name, "../")] {
			t.Errorf("%s calls Put of a transaction %d times", name, n)
		}
		seen += len(table.FindAll(source, -1))
		return nil
	})
	if err != nil || seen < 20 {
		t.Errorf("%d tables found: %v", seen, err)
	}
}

func TestKindOfKey(t *testing.T) {
	for key, want := range map[string]string{
		"r/subscriptions/x": "resource", "d//tenant/x": "tenant", "d/t/sp/x": "service principal",
		"d/t/sp-app/x": "service principal's application", "k/": "signing key", "m/admin": "administrator",
	} {
		if got, ok := store.KindOf(key); !ok || got.Name != want {
			t.Errorf("%s: %v", key, got)
		}
	}
	for _, key := range []string{"", "z/", "d/t", "d/t/nothing/x", "m/readyz"} {
		if got, ok := store.KindOf(key); ok {
			t.Errorf("%q is %v", key, got)
		}
	}
}
