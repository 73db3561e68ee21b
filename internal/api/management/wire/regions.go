package wire

// region is one of Azure's public regions.
type region struct {
	display   string // name for people; arm.Location makes its id
	geography string // the boundary for data residency
	group     string // the group of geographies
	place     string // physical location

	latitude, longitude string // in degrees, with the digits that Azure shows

	pair        string // the id of the region with which it is paired; empty if there is none
	zones       int    // the number of availability zones; 0 if it has none
	recommended bool   // whether the category is Recommended, and not Other
}

// regions returns Azure's public regions that every subscription can see, the recommended ones first. Source:
// Microsoft's list of regions, and published answers of Azure.
func regions() []region {
	return []region{
		{"East US", "United States", "US", "Virginia", "37.3719", "-79.8164", "westus", 3, true},
		{"East US 2", "United States", "US", "Virginia", "36.6681", "-78.3889", "centralus", 3, true},
		{"South Central US", "United States", "US", "Texas", "29.4167", "-98.5", "northcentralus", 3, true},
		{"West US 2", "United States", "US", "Washington", "47.233", "-119.852", "westcentralus", 3, true},
		{"West US 3", "United States", "US", "Phoenix", "33.448376", "-112.074036", "eastus", 3, true},
		{"Australia East", "Australia", "Asia Pacific", "New South Wales", "-33.86", "151.2094", "australiasoutheast", 3, true},
		{"Southeast Asia", "Asia Pacific", "Asia Pacific", "Singapore", "1.283", "103.833", "eastasia", 3, true},
		{"North Europe", "Europe", "Europe", "Ireland", "53.3478", "-6.2597", "westeurope", 3, true},
		{"Sweden Central", "Sweden", "Europe", "Gävle", "60.67488", "17.14127", "swedensouth", 3, true},
		{"UK South", "United Kingdom", "UK", "London", "50.941", "-0.799", "ukwest", 3, true},
		{"West Europe", "Europe", "Europe", "Netherlands", "52.3667", "4.9", "northeurope", 3, true},
		{"Central US", "United States", "US", "Iowa", "41.5908", "-93.6208", "eastus2", 3, true},
		{"South Africa North", "South Africa", "Africa", "Johannesburg", "-25.731340", "28.218370", "southafricawest", 3, true},
		{"Central India", "India", "Asia Pacific", "Pune", "18.5822", "73.9197", "southindia", 3, true},
		{"East Asia", "Asia Pacific", "Asia Pacific", "Hong Kong", "22.267", "114.188", "southeastasia", 3, true},
		{"Indonesia Central", "Indonesia", "Asia Pacific", "Jakarta", "-6.2", "106.816666", "", 3, true},
		{"Japan East", "Japan", "Asia Pacific", "Tokyo, Saitama", "35.68", "139.77", "japanwest", 3, true},
		{"Japan West", "Japan", "Asia Pacific", "Osaka", "34.6939", "135.5022", "japaneast", 3, true},
		{"Korea Central", "Korea", "Asia Pacific", "Seoul", "37.5665", "126.9780", "koreasouth", 3, true},
		{"Malaysia West", "Malaysia", "Asia Pacific", "Kuala Lumpur", "3.140853", "101.693207", "", 3, true},
		{"New Zealand North", "New Zealand", "Asia Pacific", "Auckland", "-36.84853", "174.76349", "", 3, true},
		{"Canada Central", "Canada", "Canada", "Toronto", "43.653", "-79.383", "canadaeast", 3, true},
		{"Austria East", "Austria", "Europe", "Vienna", "48.2092056", "16.3727779", "", 3, true},
		{"Belgium Central", "Belgium", "Europe", "Brussels", "50.84553528", "4.355707169", "", 3, true},
		{"France Central", "France", "Europe", "Paris", "46.3772", "2.3730", "francesouth", 3, true},
		{"Germany West Central", "Germany", "Europe", "Frankfurt", "50.110924", "8.682127", "germanynorth", 3, true},
		{"Italy North", "Italy", "Europe", "Milan", "45.46888", "9.18109", "", 3, true},
		{"Norway East", "Norway", "Europe", "Norway", "59.913868", "10.752245", "norwaywest", 3, true},
		{"Poland Central", "Poland", "Europe", "Warsaw", "52.23334", "21.01666", "", 3, true},
		{"Spain Central", "Spain", "Europe", "Madrid", "40.4259", "3.4209", "", 3, true},
		{"Switzerland North", "Switzerland", "Europe", "Zurich", "47.451542", "8.564572", "switzerlandwest", 3, true},
		{"Mexico Central", "Mexico", "Mexico", "Querétaro State", "20.588818", "-100.389888", "", 3, true},
		{"UAE North", "UAE", "Middle East", "Dubai", "25.266666", "55.316666", "uaecentral", 3, true},
		{"Brazil South", "Brazil", "South America", "Sao Paulo State", "-23.55", "-46.633", "southcentralus", 3, true},
		{"Chile Central", "Chile", "South America", "Santiago", "-33.447487", "-70.673676", "", 3, true},
		{"Israel Central", "Israel", "Middle East", "Israel", "31.2655698", "33.4506633", "", 3, true},
		{"Qatar Central", "Qatar", "Middle East", "Doha", "25.551462", "51.439327", "", 3, true},

		{"North Central US", "United States", "US", "Illinois", "41.8819", "-87.6278", "southcentralus", 0, false},
		{"West US", "United States", "US", "California", "37.783", "-122.417", "eastus", 0, false},
		{"Jio India West", "India", "Asia Pacific", "Jamnagar", "22.470701", "70.05773", "jioindiacentral", 0, false},
		{"West Central US", "United States", "US", "Wyoming", "40.890", "-110.234", "westus2", 0, false},
		{"South Africa West", "South Africa", "Africa", "Cape Town", "-34.075691", "18.843266", "southafricanorth", 0, false},
		{"Australia Central", "Australia", "Asia Pacific", "Canberra", "-35.3075", "149.1244", "australiacentral", 0, false},
		{"Australia Central 2", "Australia", "Asia Pacific", "Canberra", "-35.3075", "149.1244", "australiacentral2", 0, false},
		{"Australia Southeast", "Australia", "Asia Pacific", "Victoria", "-37.8136", "144.9631", "australiaeast", 0, false},
		{"Jio India Central", "India", "Asia Pacific", "Nagpur", "21.146633", "79.08886", "jioindiawest", 0, false},
		{"Korea South", "Korea", "Asia Pacific", "Busan", "35.1796", "129.0756", "koreacentral", 0, false},
		{"South India", "India", "Asia Pacific", "Chennai", "12.9822", "80.1636", "centralindia", 0, false},
		{"West India", "India", "Asia Pacific", "Mumbai", "19.088", "72.868", "southindia", 0, false},
		{"Canada East", "Canada", "Canada", "Quebec", "46.817", "-71.217", "canadacentral", 0, false},
		{"France South", "France", "Europe", "Marseille", "43.8345", "2.1972", "francecentral", 0, false},
		{"Germany North", "Germany", "Europe", "Berlin", "53.073635", "8.806422", "germanywestcentral", 0, false},
		{"Norway West", "Norway", "Europe", "Norway", "58.969975", "5.733107", "norwayeast", 0, false},
		{"Switzerland West", "Switzerland", "Europe", "Geneva", "46.204391", "6.143158", "switzerlandnorth", 0, false},
		{"UK West", "United Kingdom", "UK", "Cardiff", "53.427", "-3.084", "uksouth", 0, false},
		{"UAE Central", "UAE", "Middle East", "Abu Dhabi", "24.466667", "54.366669", "uaenorth", 0, false},
		{"Brazil Southeast", "Brazil", "South America", "Rio", "-22.90278", "-43.2075", "brazilsouth", 0, false},
	}
}
