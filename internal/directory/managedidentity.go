package directory

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"midas/internal/arm"
)

// ManagedNames begins the second name of the service principal of a managed identity.
const ManagedNames = "https://identity.azure.net/"

// Azure's certificates of managed identities are valid for 90 days and are replaced after 46. Their validity
// begins some minutes before the identity is created.
const (
	managedCertificateLifetime = 90 * 24 * time.Hour
	managedCertificateRenewal  = 46 * 24 * time.Hour
	managedCertificateEarlier  = 5 * time.Minute
)

// ManagedName is the name of a managed identity's service principal beside its client id. Clients only display
// it.
func (p *ServicePrincipal) ManagedName() string {
	sum := sha256.Sum256([]byte("managed name\x00" + arm.Fold(p.ID)))
	return ManagedNames + base64.StdEncoding.EncodeToString(sum[:])
}

// ManagedCertificate describes the certificate that Azure shows for a managed identity. This server needs none
// and stores none: the key id and the thumbprint are derived from the identity and from the number of renewals.
// The result has no DER and verifies nothing.
func (p *ServicePrincipal) ManagedCertificate(now time.Time) Certificate {
	start := p.Created.UTC().Truncate(time.Minute).Add(-managedCertificateEarlier)
	renewals := max(0, now.Sub(start)/managedCertificateRenewal)
	start = start.Add(renewals * managedCertificateRenewal)
	sum := sha256.Sum256(fmt.Appendf(nil, "managed certificate\x00%s\x00%d", arm.Fold(p.ID), renewals))
	return Certificate{
		KeyID: derivedID(sum), DisplayName: fmt.Sprintf("CN=%s, DC=%s", p.AppID, p.TenantID), SHA1: sum[:20],
		Start: start, End: start.Add(managedCertificateLifetime),
	}
}
