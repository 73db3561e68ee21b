package arm_test

import (
	"testing"

	"midas/internal/arm"
)

func TestSpellKeepsTheNames(t *testing.T) {
	for given, c := range map[string]struct {
		typ  arm.Type
		want string
	}{
		"/SUBSCRIPTIONS/S/resourcegroups/Rg/PROVIDERS/microsoft.compute/virtualmachines/Vm": {
			"Microsoft.Compute/virtualMachines", "/subscriptions/S/resourceGroups/Rg/providers/Microsoft.Compute/virtualMachines/Vm"},
		"/subscriptions/S/resourceGroups/g/providers/a.b/SETS/s/MACHINES/0": {
			"A.B/sets/machines", "/subscriptions/S/resourceGroups/g/providers/A.B/sets/s/machines/0"},
		"/subscriptions/S/resourceGroups/g/providers/a.b/cs/c/providers/d.e/FS/f": {
			"D.E/fs", "/subscriptions/S/resourceGroups/g/providers/a.b/cs/c/providers/D.E/fs/f"},
		"/subscriptions/S/providers/d.e/FS/f": {"X.Y/z", "/subscriptions/S/providers/d.e/FS/f"},
		"/subscriptions/S/resourcegroups/G":   {arm.TypeResourceGroup, "/subscriptions/S/resourceGroups/G"},
	} {
		id, err := arm.ParseID(given)
		if err != nil {
			t.Fatal(err)
		}
		if got := id.Spell(c.typ); got != c.want {
			t.Errorf("%s as %s is %s, not %s", given, c.typ, got, c.want)
		}
	}
}

func TestWellFormedVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"2024-07-01": true, "2015-08-31-preview": true, "2018-09-01-BETA": true, "2024-13-01": false, "2024-07-1": false,
		"": false, "latest": false, "2024-07-01-": false, "2024-07-01preview": false, "2024-07-01-pre view": false, "2024-02-30": false,
	} {
		if got := arm.WellFormed(version); got != want {
			t.Errorf("%q: %v", version, got)
		}
	}
}
