package wire_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/api/management/wire"
	"midas/internal/arm"
)

// Clients that choose regions read all of these, some without looking whether they are there.
func TestLocationsHaveAllFields(t *testing.T) {
	names, physical := map[string]bool{}, 0
	all := wire.Locations("2022-12-01", "/subscriptions/s")
	degrees := regexp.MustCompile(`^-?\d+(\.\d+)?$`)
	for _, l := range all {
		if l.ID != "/subscriptions/s/locations/"+l.Name || l.DisplayName == "" || l.RegionalDisplayName == "" || l.Type != "Region" || names[l.Name] {
			t.Errorf("%+v", l)
		}
		names[l.Name] = true
		m := l.Metadata
		physical++
		if m.GeographyGroup == "" || m.Geography == "" || m.PhysicalLocation == "" || m.RegionType != "Physical" || m.RegionCategory != "Recommended" && m.RegionCategory != "Other" ||
			!degrees.MatchString(m.Latitude) || !degrees.MatchString(m.Longitude) || l.RegionalDisplayName != "("+m.GeographyGroup+") "+l.DisplayName || l.Name != arm.Location(l.DisplayName) {
			t.Errorf("%+v: %+v", l, m)
		}
		for _, pair := range m.PairedRegion {
			paired := slices.IndexFunc(all, func(other wire.Location) bool { return other.Name == pair.Name })
			if pair.ID != "/subscriptions/s/locations/"+pair.Name || paired < 0 && pair.Name != "swedensouth" { // access to it is restricted
				t.Errorf("%s is paired with %+v", l.Name, pair)
			}
		}
	}
	if physical != len(wire.RegionNames()) || !names["eastus"] {
		t.Errorf("%d regions", physical)
	}
}

// A recording of Azure has the fields of 2019-11-01; Microsoft's OpenAPI files have those of the others.
func TestLocationsByAPIVersion(t *testing.T) {
	for version, want := range map[arm.Version]string{
		"2016-06-01": `{"id":"/subscriptions/s/locations/uksouth","name":"uksouth","displayName":"UK South","longitude":"-0.799","latitude":"50.941"}`,
		"2019-06-01": `{"id":"/subscriptions/s/locations/uksouth","name":"uksouth","displayName":"UK South","longitude":"-0.799","latitude":"50.941"}`,
		"2019-11-01": `{"id":"/subscriptions/s/locations/uksouth","name":"uksouth","displayName":"UK South","regionalDisplayName":"(UK) UK South","metadata":{"regionType":"Physical","regionCategory":"Recommended","geographyGroup":"UK","longitude":"-0.799","latitude":"50.941","physicalLocation":"London","pairedRegion":[{"name":"ukwest","id":"/subscriptions/s/locations/ukwest"}]}}`,
		"2021-01-01": `{"id":"/subscriptions/s/locations/uksouth","name":"uksouth","type":"Region","displayName":"UK South","regionalDisplayName":"(UK) UK South","metadata":{"regionType":"Physical","regionCategory":"Recommended","geographyGroup":"UK","longitude":"-0.799","latitude":"50.941","physicalLocation":"London","pairedRegion":[{"name":"ukwest","id":"/subscriptions/s/locations/ukwest"}]}}`,
		"2022-12-01": `{"id":"/subscriptions/s/locations/uksouth","name":"uksouth","type":"Region","displayName":"UK South","regionalDisplayName":"(UK) UK South","metadata":{"regionType":"Physical","regionCategory":"Recommended","geography":"United Kingdom","geographyGroup":"UK","longitude":"-0.799","latitude":"50.941","physicalLocation":"London","pairedRegion":[{"name":"ukwest","id":"/subscriptions/s/locations/ukwest"}]},"availabilityZoneMappings":[{"logicalZone":"1","physicalZone":"uksouth-az1"},{"logicalZone":"2","physicalZone":"uksouth-az3"},{"logicalZone":"3","physicalZone":"uksouth-az2"}]}`,
	} {
		all := wire.Locations(version, "/subscriptions/s")
		at := slices.IndexFunc(all, func(l wire.Location) bool { return l.Name == "uksouth" })
		got, err := json.Marshal(all[at])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

// Without a pair, the list is empty and not null; a region without zones has no mappings.
func TestLocationsWithoutPairOrZones(t *testing.T) {
	for _, l := range wire.Locations("2022-12-01", "/subscriptions/s") {
		if l.Name == "italynorth" && (l.Metadata.PairedRegion == nil || len(l.Metadata.PairedRegion) > 0) || l.Name == "westus" && l.ZoneMappings != nil {
			t.Errorf("%+v", l)
		}
	}
	if zones, known := wire.ZonesOf("West US"); !known || zones != nil {
		t.Errorf("West US: %v, %v", zones, known)
	}
	if _, known := wire.ZonesOf("moon"); known {
		t.Error("moon is one of Azure's regions")
	}
}
