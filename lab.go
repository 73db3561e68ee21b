package midas

import "midas/internal/datadir"

// The well-known ids and the well-known secret of a server with Config.Lab, for scripts that are
// written before the server runs. They are no protection at all.
const (
	LabTenantID       = "10000000-0000-4000-8000-000000000001"
	LabSubscriptionID = "10000000-0000-4000-8000-000000000002"
	LabClientID       = "10000000-0000-4000-8000-000000000003"
	LabClientSecret   = "midas-lab-secret-that-everyone-knows"
)

func wellKnown() Admin {
	return datadir.Admin{
		TenantID: LabTenantID, SubscriptionID: LabSubscriptionID, ClientID: LabClientID, ClientSecret: LabClientSecret,
	}
}
