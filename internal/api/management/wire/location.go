package wire

import "midas/internal/arm"

// Location is a region in an answer.
type Location struct {
	ID                  string           `json:"id"`
	Name                string           `json:"name"`
	Type                string           `json:"type"`
	DisplayName         string           `json:"displayName"`
	RegionalDisplayName string           `json:"regionalDisplayName"`
	Metadata            LocationMetadata `json:"metadata"`
}

// LocationMetadata describes a region. Many clients list only regions of the type "Physical" that have a
// location.
type LocationMetadata struct {
	RegionType       string `json:"regionType"`
	RegionCategory   string `json:"regionCategory"`
	GeographyGroup   string `json:"geographyGroup"`
	PhysicalLocation string `json:"physicalLocation"`
}

// region is one of Azure's public regions: its display name, its geography group and its physical location.
type region struct{ display, group, place string }

// recommended returns the regions of the category "Recommended". The category of all others is "Other".
func recommended() []region {
	return []region{
		{"East US", "US", "Virginia"}, {"East US 2", "US", "Virginia"}, {"South Central US", "US", "Texas"},
		{"West US 2", "US", "Washington"}, {"West US 3", "US", "Phoenix"},
		{"Australia East", "Asia Pacific", "New South Wales"}, {"Southeast Asia", "Asia Pacific", "Singapore"},
		{"North Europe", "Europe", "Ireland"}, {"Sweden Central", "Europe", "Gävle"}, {"UK South", "Europe", "London"},
		{"West Europe", "Europe", "Netherlands"}, {"Central US", "US", "Iowa"},
		{"South Africa North", "Africa", "Johannesburg"}, {"Central India", "Asia Pacific", "Pune"},
		{"East Asia", "Asia Pacific", "Hong Kong"}, {"Japan East", "Asia Pacific", "Tokyo, Saitama"},
		{"Korea Central", "Asia Pacific", "Seoul"}, {"Canada Central", "Canada", "Toronto"},
		{"France Central", "Europe", "Paris"}, {"Germany West Central", "Europe", "Frankfurt"},
		{"Italy North", "Europe", "Milan"}, {"Norway East", "Europe", "Norway"}, {"Poland Central", "Europe", "Warsaw"},
		{"Spain Central", "Europe", "Madrid"}, {"Switzerland North", "Europe", "Zurich"},
		{"Mexico Central", "Mexico", "Querétaro State"}, {"UAE North", "Middle East", "Dubai"},
		{"Brazil South", "South America", "Sao Paulo State"}, {"Israel Central", "Middle East", "Israel"},
		{"Qatar Central", "Middle East", "Doha"}, {"New Zealand North", "Asia Pacific", "Auckland"},
	}
}

func otherRegions() []region {
	return []region{
		{"North Central US", "US", "Illinois"}, {"West US", "US", "California"}, {"West Central US", "US", "Wyoming"},
		{"Japan West", "Asia Pacific", "Osaka"}, {"South Africa West", "Africa", "Cape Town"},
		{"Australia Central", "Asia Pacific", "Canberra"}, {"Australia Central 2", "Asia Pacific", "Canberra"},
		{"Australia Southeast", "Asia Pacific", "Victoria"}, {"Korea South", "Asia Pacific", "Busan"},
		{"South India", "Asia Pacific", "Chennai"}, {"West India", "Asia Pacific", "Mumbai"},
		{"Canada East", "Canada", "Quebec"}, {"France South", "Europe", "Marseille"}, {"Germany North", "Europe", "Berlin"},
		{"Norway West", "Europe", "Norway"}, {"Switzerland West", "Europe", "Geneva"}, {"UK West", "Europe", "Cardiff"},
		{"UAE Central", "Middle East", "Abu Dhabi"}, {"Brazil Southeast", "South America", "Rio"},
	}
}

// RegionNames returns the display names of Azure's public regions. Midas accepts other well-formed names of
// regions too, because a private installation can have regions of its own.
func RegionNames() []string {
	var names []string
	for _, r := range append(recommended(), otherRegions()...) {
		names = append(names, r.display)
	}
	return names
}

// Locations returns the regions of a subscription, which is given by its id.
func Locations(subscription string) []Location {
	var list []Location
	for _, r := range recommended() {
		list = append(list, r.location(subscription, "Recommended"))
	}
	for _, r := range otherRegions() {
		list = append(list, r.location(subscription, "Other"))
	}
	return list
}

func (r region) location(subscription, category string) Location {
	name := arm.Location(r.display)
	return Location{
		ID: subscription + "/locations/" + name, Name: name, Type: "Region",
		DisplayName: r.display, RegionalDisplayName: r.display,
		Metadata: LocationMetadata{
			RegionType: "Physical", RegionCategory: category, GeographyGroup: r.group, PhysicalLocation: r.place,
		},
	}
}
