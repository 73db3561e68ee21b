package midas

import (
	"time"

	"midas/internal/identity"
)

// The well-known ids, secret and password of a server with Config.Lab, for scripts that are
// written before the server runs. They are public and protect nothing.
const (
	LabTenantID       = "10000000-0000-4000-8000-000000000001"
	LabSubscriptionID = "10000000-0000-4000-8000-000000000002"
	LabClientID       = "10000000-0000-4000-8000-000000000003"
	LabClientSecret   = "midas-lab-secret-that-everyone-knows"
	LabUserName       = "admin@midas.localhost"
	LabUserPassword   = "Midas-lab-password-that-everyone-knows-1"
)

func wellKnown() Admin {
	return Admin{
		TenantID: LabTenantID, SubscriptionID: LabSubscriptionID, ClientID: LabClientID, ClientSecret: LabClientSecret,
		UserName: LabUserName, UserPassword: LabUserPassword,
	}
}

// labWriters refuses concurrent writes if the configuration of a laboratory says so.
func labWriters(cfg Config) *identity.Writers {
	if !cfg.Lab || !cfg.LabWriteConflicts {
		return nil
	}
	return &identity.Writers{Least: 250 * time.Millisecond}
}
