package rbac_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"midas/internal/rbac"
)

const newRole = "0a0a0a0a-0000-0000-0000-0000000000aa"

// flat is a role in the form of az, whose dates have six digits.
func flat(guid, name, typ, action, updated string) string {
	return fmt.Sprintf(`{"assignableScopes":["/"],"createdBy":null,"createdOn":"2015-02-02T21:55:09.880642+00:00","description":"d","id":"/x","name":"%s",`+
		`"permissions":[{"actions":["%s"],"condition":null,"conditionVersion":null,"dataActions":[],"notActions":[],"notDataActions":[]}],`+
		`"roleName":"%s","roleType":"%s","type":"Microsoft.Authorization/roleDefinitions","updatedBy":null,"updatedOn":"%s"}`, guid, action, name, typ, updated)
}

func TestImportedRolesDecideTheNextRequest(t *testing.T) {
	b := newBench(t)
	file := "[" + strings.Join([]string{
		flat(newRole, "New Role", "BuiltInRole", "Microsoft.Fresh/*", "2026-01-01T00:00:00.000000+00:00"),
		flat(strings.ToUpper(miOperator), "Managed Identity Operator", "BuiltInRole", "Microsoft.Fresh/things/read", "2026-01-01T00:00:00.000000+00:00"),
		flat(reader, "Reader", "BuiltInRole", "Microsoft.Nothing/read", "2026-01-01T00:00:00.000000+00:00"),
		flat(secretsUser, "Key Vault Secrets User", "BuiltInRole", "*", "2019-01-01T00:00:00.000000+00:00"),
		flat(guid(7), "Mine", "CustomRole", "*", "2026-01-01T00:00:00.000000+00:00"),
		flat(guid(8), "Odd", "BuiltInRole", "a b/c", "2026-01-01T00:00:00.000000+00:00"),
	}, ",") + "]"
	report, err := b.ImportDefinitions(t.Context(), strings.NewReader(file))
	if err != nil || report.Added != 1 || report.Changed != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if got := fmt.Sprint(report.Fixed, report.Older, report.Custom, report.Unusable); got != "[Reader] [Key Vault Secrets User] [Mine] [Odd]" {
		t.Error(got)
	}
	b.assign(t, alice, newRole, rg1)
	b.assign(t, bob, miOperator, rg1)
	for _, c := range []struct {
		who, action string
		want        bool
	}{
		{alice, "Microsoft.Fresh/things/write", true}, {alice, uai + "read", false},
		{bob, "Microsoft.Fresh/things/read", true}, {bob, uai + "read", false},
	} {
		if got, err := b.authorize(t.Context(), as(c.who), c.action, id(t, app)); err != nil || got != c.want {
			t.Errorf("%s %s: %v, %v", c.who, c.action, got, err)
		}
	}
	if report, err = b.ImportDefinitions(t.Context(), strings.NewReader(file)); err != nil || report.Added+report.Changed != 0 || report.Unchanged != 2 {
		t.Errorf("again: %+v, %v", report, err)
	}
}

func TestInvalidFilesOfRolesChangeNothing(t *testing.T) {
	b := newBench(t)
	good := flat(newRole, "New Role", "BuiltInRole", "*", "2026-01-01T00:00:00Z")
	for name, file := range map[string]string{
		"empty":           "",
		"text":            "no roles",
		"no roles":        "[]",
		"half":            "[" + good,
		"a number":        "[1]",
		"not a GUID":      "[" + good + "," + flat("x", "X", "BuiltInRole", "*", "") + "]",
		"no name":         "[" + good + "," + flat(guid(1), " ", "BuiltInRole", "*", "") + "]",
		"another type":    "[" + good + "," + flat(guid(1), "X", "Other", "*", "") + "]",
		"a date":          "[" + good + "," + flat(guid(1), "X", "BuiltInRole", "*", "yesterday") + "]",
		"the same twice":  "[" + good + "," + good + "]",
		"the first page":  `{"value":[` + good + `],"nextLink":"https://x"}`,
		"deeply nested":   strings.Repeat("[", 1000),
		"more than 16 MB": "[" + strings.Repeat(" ", rbac.MaxDefinitionFile) + good + "]",
	} {
		if _, err := b.ImportDefinitions(t.Context(), strings.NewReader(file)); !errors.Is(err, rbac.ErrDefinitionFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Definition(t.Context(), as(alice), id(t, "/"), newRole); err == nil {
		t.Error("a refused file has left a role")
	}
}

// The list that Azure gave in 2023 changes nothing, whatever its form.
func TestAzuresOwnListIsKnown(t *testing.T) {
	azure := azureRoles(t) // skips without the shared folder
	content, err := os.ReadFile("../../../shared/azure/builtin-roles-2023-08.json")
	if err != nil {
		t.Fatal(err)
	}
	report, err := newBench(t).ImportDefinitions(t.Context(), strings.NewReader(string(content)))
	if err != nil || report.Added != 0 || report.Changed != 0 || report.Unchanged < len(azure)-10 || len(report.Unusable) > 0 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A file through a connection that ends after the limit is invalid as one from the disk is.
func TestAFileThatIsTooLargeIsInvalid(t *testing.T) {
	body := http.MaxBytesReader(nil, io.NopCloser(strings.NewReader(strings.Repeat(" ", 100))), 10)
	if _, err := newBench(t).ImportDefinitions(t.Context(), body); !errors.Is(err, rbac.ErrDefinitionFile) {
		t.Error(err)
	}
}
