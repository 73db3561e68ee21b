package wire

import "midas/internal/arm"

// joined is the spelling of both kinds of identities in newer specifications: without a space.
const joined = "SystemAssigned,UserAssigned"

// identityForms are the forms that are not the zero value, by folded type or namespace. The entry of a type comes
// before that of its namespace. "Recorded" facts are in recordings of Azure CLI; "specified" ones are the values
// of the enumeration in the provider's OpenAPI file.
var identityForms = byFoldedType(map[arm.Type]identityForm{
	// Recorded: no block after the last identity is removed.
	"Microsoft.Compute":           {none: noneNever},
	"Microsoft.ContainerRegistry": {none: noneNever},
	"Microsoft.SignalRService":    {none: noneNever},
	"Microsoft.Web":               {none: noneNever, tenant: true},
	// Recorded: tenantId with user-assigned identities alone, ids at once.
	"Microsoft.ContainerInstance": {tenant: true},
	// Recorded: {"type":"None"} for a resource without identities.
	"Microsoft.App/containerApps": {none: noneAlways},
	"Microsoft.App/jobs":          {none: noneAlways},
	"Microsoft.Devices/IotHubs":   {none: noneAlways, since: "2020-08-31"},
	// Recorded: nothing in 2020-06-01-preview, {"type":"None"} in the versions that have identities.
	"Microsoft.DocumentDB/databaseAccounts": {none: noneAlways, since: "2021-03-01-preview", both: joined},
	"Microsoft.Batch/batchAccounts":         {none: noneAlways, since: "2020-09-01"},
	// Recorded for topics: all fields, with null for those without a value, also for the type None.
	"Microsoft.EventGrid/topics":       {none: noneAlways, since: "2020-04-01-preview", nulls: true},
	"Microsoft.EventGrid/domains":      {none: noneAlways, since: "2020-04-01-preview", nulls: true},
	"Microsoft.EventGrid/systemTopics": {none: noneAlways, since: "2020-10-15-preview", nulls: true},
	// Recorded: null.
	"Microsoft.ApiManagement/service": {none: noneNull},
	// Documented: both kinds in lower case.
	"Microsoft.Automation/automationAccounts": {both: "systemassigned,userassigned"},

	// Specified.
	"Microsoft.Chaos":                   {both: joined},
	"Microsoft.Dashboard":               {both: joined},
	"Microsoft.Databricks":              {both: joined},
	"Microsoft.DataFactory":             {both: joined},
	"Microsoft.DBforPostgreSQL":         {both: joined},
	"Microsoft.DigitalTwins":            {both: joined},
	"Microsoft.HealthcareApis":          {both: joined},
	"Microsoft.LoadTestService":         {both: joined},
	"Microsoft.MachineLearningServices": {both: joined},
	"Microsoft.NetApp":                  {both: joined},
	"Microsoft.Sql":                     {both: joined},
	"Microsoft.Storage":                 {both: joined},
	"Microsoft.Synapse":                 {both: joined},
})

func byFoldedType(forms map[arm.Type]identityForm) map[string]identityForm {
	folded := make(map[string]identityForm, len(forms))
	for typ, form := range forms {
		folded[typ.Key()] = form
	}
	return folded
}
