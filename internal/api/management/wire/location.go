package wire

import "midas/internal/arm"

// Location is a region in an answer.
type Location struct {
	ID                  string `json:"id"`
	Name                string `json:"name"`
	Type                string `json:"type"`
	DisplayName         string `json:"displayName"`
	RegionalDisplayName string `json:"regionalDisplayName"`
}

// RegionNames are Azure's public regions by their display names. Midas takes any well-formed
// region name, since a private installation has regions of its own; these are those it suggests.
func RegionNames() []string {
	return []string{
		"East US", "East US 2", "South Central US", "West US 2", "West US 3", "Australia East", "Southeast Asia",
		"North Europe", "Sweden Central", "UK South", "West Europe", "Central US", "South Africa North", "Central India",
		"East Asia", "Japan East", "Korea Central", "Canada Central", "France Central", "Germany West Central",
		"Italy North", "Norway East", "Poland Central", "Spain Central", "Switzerland North", "Mexico Central",
		"UAE North", "Brazil South", "Israel Central", "Qatar Central", "North Central US", "West US", "Japan West",
		"West Central US", "South Africa West", "Australia Central", "Australia Central 2", "Australia Southeast",
		"Korea South", "South India", "West India", "Canada East", "France South", "Germany North", "Norway West",
		"Switzerland West", "UK West", "UAE Central", "Brazil Southeast", "New Zealand North",
	}
}

// Locations lists the regions of a subscription, given by its id.
func Locations(subscription string) []Location {
	names := RegionNames()
	list := make([]Location, len(names))
	for i, display := range names {
		name := arm.Location(display)
		list[i] = Location{
			ID: subscription + "/locations/" + name, Name: name, Type: "Region",
			DisplayName: display, RegionalDisplayName: display,
		}
	}
	return list
}
