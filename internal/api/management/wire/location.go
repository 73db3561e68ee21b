package wire

import (
	"strconv"

	"midas/internal/arm"
)

// The first versions of the list of locations that have these fields. Source: Microsoft's OpenAPI files of these
// versions, and recordings of Azure.
const (
	locationMetadataSince  arm.Version = "2019-11-01" // before, the coordinates were beside the name
	locationTypeSince      arm.Version = "2021-01-01"
	locationGeographySince arm.Version = "2022-12-01"
	locationZonesSince     arm.Version = "2022-12-01"
)

// Location is a region in an answer.
type Location struct {
	ID                  string            `json:"id"`
	Name                string            `json:"name"`
	Type                string            `json:"type,omitempty"`
	DisplayName         string            `json:"displayName"`
	RegionalDisplayName string            `json:"regionalDisplayName,omitempty"`
	Longitude           string            `json:"longitude,omitempty"`
	Latitude            string            `json:"latitude,omitempty"`
	Metadata            *LocationMetadata `json:"metadata,omitempty"`
	ZoneMappings        []ZoneMapping     `json:"availabilityZoneMappings,omitempty"`
}

// LocationMetadata describes a region. Many clients list only regions of the type "Physical" that have a
// location.
type LocationMetadata struct {
	RegionType       string         `json:"regionType"`
	RegionCategory   string         `json:"regionCategory"`
	Geography        string         `json:"geography,omitempty"`
	GeographyGroup   string         `json:"geographyGroup,omitempty"`
	Longitude        string         `json:"longitude,omitempty"`
	Latitude         string         `json:"latitude,omitempty"`
	PhysicalLocation string         `json:"physicalLocation,omitempty"`
	PairedRegion     []PairedRegion `json:"pairedRegion,omitzero"`
}

// PairedRegion is the region with which another one is paired.
type PairedRegion struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// ZoneMapping says which physical zone a subscription's logical zone is.
type ZoneMapping struct {
	LogicalZone  string `json:"logicalZone"`
	PhysicalZone string `json:"physicalZone"`
}

// RegionNames returns the display names of Azure's public regions. Midas accepts other well-formed names of
// regions too, because a private installation can have regions of its own.
func RegionNames() []string {
	var names []string
	for _, r := range regions() {
		names = append(names, r.display)
	}
	return names
}

// ZonesOf returns the zone mappings of a region, which is given by its name in any spelling. It reports whether
// the region is one of Azure's.
func ZonesOf(location string) (mappings []ZoneMapping, known bool) {
	for _, r := range regions() {
		if arm.Location(r.display) == arm.Location(location) {
			return r.zoneMappings(), true
		}
	}
	return nil, false
}

// Locations returns the regions of a subscription, which is given by its id, with the fields that the version
// has. Azure also lists logical regions, which stand for a country or a continent and have no metadata; clients
// that choose a region have no use for them.
func Locations(v arm.Version, subscription string) []Location {
	var list []Location
	for _, r := range regions() {
		list = append(list, r.location(v, subscription))
	}
	return list
}

func locationID(subscription, id string) string { return subscription + "/locations/" + id }

func (r region) location(v arm.Version, subscription string) Location {
	name := arm.Location(r.display)
	l := Location{ID: locationID(subscription, name), Name: name, DisplayName: r.display}
	if atLeast(v, locationTypeSince) {
		l.Type = "Region"
	}
	if !atLeast(v, locationMetadataSince) {
		l.Longitude, l.Latitude = r.longitude, r.latitude
		return l
	}
	l.RegionalDisplayName = "(" + r.group + ") " + r.display
	l.Metadata = &LocationMetadata{
		RegionType: "Physical", RegionCategory: "Other", GeographyGroup: r.group, PhysicalLocation: r.place,
		Longitude: r.longitude, Latitude: r.latitude, PairedRegion: []PairedRegion{},
	}
	if r.recommended {
		l.Metadata.RegionCategory = "Recommended"
	}
	if r.pair != "" {
		l.Metadata.PairedRegion = append(l.Metadata.PairedRegion, PairedRegion{Name: r.pair, ID: locationID(subscription, r.pair)})
	}
	if atLeast(v, locationGeographySince) {
		l.Metadata.Geography = r.geography
	}
	if atLeast(v, locationZonesSince) {
		l.ZoneMappings = r.zoneMappings()
	}
	return l
}

// zoneMappings returns the mappings of Microsoft's example. Azure shuffles them for each subscription to spread
// the load; here they are the same for all.
func (r region) zoneMappings() []ZoneMapping {
	var mappings []ZoneMapping
	for logical := 1; logical <= r.zones; logical++ {
		physical := logical
		if logical > 1 && logical <= 3 {
			physical = 5 - logical
		}
		mappings = append(mappings, ZoneMapping{
			LogicalZone: strconv.Itoa(logical), PhysicalZone: arm.Location(r.display) + "-az" + strconv.Itoa(physical),
		})
	}
	return mappings
}
