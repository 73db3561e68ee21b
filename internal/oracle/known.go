package oracle

// kind is the way in which an answer may differ from a definition.
type kind int

const (
	null   kind = iota // the field may be null
	extra              // the field is sent, but not listed
	absent             // the field is required, but may be left out
)

// exception is a place where Azure itself differs from its files. No exception is about a status: the
// files list all statuses of an operation.
type exception struct {
	definition string
	kind       kind
	fields     []string
	why        string
}

const (
	recorded   = "a recording of Azure has this difference"
	noted      = "notes on Azure's answers have this difference"
	lastPage   = "the last page has no nextLink"
	documented = "Microsoft's how-to pages show it in this version's answers"
	explained  = "ARM refuses requests itself, and its errors have additionalInfo (common-types), in which a 403 says how to ask why"
	wrapped    = "ARM sends every error inside an error object"
)

func exceptions() []exception {
	return []exception{
		{"RoleAssignmentProperties", null, []string{"condition", "conditionVersion", "createdBy", "delegatedManagedIdentityResourceId", "description"}, recorded},
		{"RoleDefinitionProperties", null, []string{"createdBy", "updatedBy"}, recorded},
		{"RoleAssignmentPropertiesWithScope", extra, []string{"createdOn", "updatedOn", "createdBy", "updatedBy", "principalType"}, documented},
		{"RoleAssignmentPropertiesWithScope", null, []string{"condition", "conditionVersion", "createdBy", "delegatedManagedIdentityResourceId", "description"}, recorded},
		{"RoleDefinitionProperties", extra, []string{"createdOn", "updatedOn", "createdBy", "updatedBy"}, documented},
		{"SubscriptionListResult", absent, []string{"nextLink"}, lastPage},
		{"SubscriptionListResult", extra, []string{"count"}, noted},
		{"TenantListResult", absent, []string{"nextLink"}, lastPage},
		{"Provider", extra, []string{"authorizations"}, recorded},
		{"ErrorResponse", extra, []string{"error"}, wrapped},
		{"CloudErrorBody", extra, []string{"additionalInfo"}, explained},
		{"EventData", extra, []string{"channels"}, recorded},
		{"EventData", null, []string{"properties.*"}, recorded},
	}
}
