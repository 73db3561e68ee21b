package wire_test

import (
	"testing"

	"midas/internal/api/management/wire"
)

// Clients that choose regions read all of these, some without looking whether they are there.
func TestLocationsHaveAllFields(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range wire.Locations("/subscriptions/s") {
		m := l.Metadata
		if l.ID != "/subscriptions/s/locations/"+l.Name || l.DisplayName == "" || m.GeographyGroup == "" || m.PhysicalLocation == "" ||
			m.RegionType != "Physical" || m.RegionCategory != "Recommended" && m.RegionCategory != "Other" {
			t.Errorf("%+v", l)
		}
		if seen[l.Name] {
			t.Errorf("%s is there twice", l.Name)
		}
		seen[l.Name] = true
	}
	if len(seen) != len(wire.RegionNames()) || !seen["eastus"] {
		t.Errorf("%d regions", len(seen))
	}
}
