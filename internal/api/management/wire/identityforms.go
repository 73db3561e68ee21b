package wire

import "midas/internal/arm"

// joined is a spelling of the type of a resource with both kinds of identities: without a space.
const joined = "SystemAssigned,UserAssigned"

// identityForms are the forms that are not the zero value, by folded type or namespace. The entry of a type comes
// before that of its namespace. "Recorded" facts were read in recordings of Azure CLI. The others are inferred, and
// docs/azure-divergences.md lists them as guesses.
var identityForms = byFoldedType(map[arm.Type]identityForm{
	// Recorded: no block after the last identity is removed. Inferred: tenantId of Microsoft.Web.
	"Microsoft.Compute":           {none: noneNever},
	"Microsoft.ContainerRegistry": {none: noneNever},
	"Microsoft.SignalRService":    {none: noneNever},
	"Microsoft.Web":               {none: noneNever, tenant: true},
	// Recorded: tenantId with user-assigned identities alone, ids at once.
	"Microsoft.ContainerInstance": {tenant: true},
	// Recorded: {"type":"None"} for container apps and IoT hubs. Inferred: jobs, and the version.
	"Microsoft.App/containerApps": {none: noneAlways},
	"Microsoft.App/jobs":          {none: noneAlways},
	"Microsoft.Devices/IotHubs":   {none: noneAlways, since: "2020-08-31"},
	// Recorded: no block in 2020-06-01-preview. Inferred: Azure CLI reads the type without asking whether there is a
	// block from 2021-03-01-preview on.
	"Microsoft.DocumentDB/databaseAccounts": {none: noneAlways, since: "2021-03-01-preview", both: joined},
	// Inferred.
	"Microsoft.Batch/batchAccounts": {none: noneAlways, since: "2020-09-01"},
	// Recorded for topics: all fields, with null for those without a value, also for the type None. Inferred for the
	// others.
	"Microsoft.EventGrid/topics":       {none: noneAlways, since: "2020-04-01-preview", nulls: true},
	"Microsoft.EventGrid/domains":      {none: noneAlways, since: "2020-04-01-preview", nulls: true},
	"Microsoft.EventGrid/systemTopics": {none: noneAlways, since: "2020-10-15-preview", nulls: true},
	// Recorded: null.
	"Microsoft.ApiManagement/service": {none: noneNull},
	// Inferred from an answer in Microsoft's documentation: both kinds in lower case.
	"Microsoft.Automation/automationAccounts": {both: "systemassigned,userassigned"},

	// Inferred from the names of the type in Microsoft's client libraries.
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
