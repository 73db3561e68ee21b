package directory

import (
	"bytes"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// credentials are the secrets and certificates of an application or of its service principal. Either kind of
// credential authenticates the application. The record that they belong to must not be shared, because methods
// change the lists in place.
type credentials struct {
	secrets      *[]Secret
	certificates *[]Certificate
}

func (a *Application) credentials() credentials      { return credentials{&a.Secrets, &a.Certificates} }
func (p *ServicePrincipal) credentials() credentials { return credentials{&p.Secrets, &p.Certificates} }

// check returns ErrTooManySecrets if there are more secrets or certificates than the limits allow.
func (c credentials) check() error {
	if len(*c.secrets) > maxSecrets || len(*c.certificates) > maxCertificates {
		return ErrTooManySecrets
	}
	return nil
}

// addSecret appends a secret, or returns ErrExists if one has its key id, or ErrTooManySecrets.
func (c credentials) addSecret(s Secret) error {
	if c.secretIndex(s.KeyID) >= 0 {
		return ErrExists
	}
	*c.secrets = append(*c.secrets, s)
	return c.check()
}

func (c credentials) removeSecret(keyID string) error {
	i := c.secretIndex(keyID)
	if i < 0 {
		return ErrNotFound
	}
	*c.secrets = slices.Delete(*c.secrets, i, i+1)
	return nil
}

// addCertificate appends a certificate, or returns ErrExists if it is there or one has its key id, or
// ErrTooManySecrets.
func (c credentials) addCertificate(added Certificate) error {
	same := func(o Certificate) bool {
		return arm.SameName(o.KeyID, added.KeyID) || bytes.Equal(o.SHA256, added.SHA256)
	}
	if slices.ContainsFunc(*c.certificates, same) {
		return ErrExists
	}
	*c.certificates = append(*c.certificates, added)
	return c.check()
}

func (c credentials) removeCertificate(keyID string) error {
	i := slices.IndexFunc(*c.certificates, func(c Certificate) bool { return arm.SameName(c.KeyID, keyID) })
	if i < 0 {
		return ErrNotFound
	}
	*c.certificates = slices.Delete(*c.certificates, i, i+1)
	return nil
}

// secretIndex is the position of the secret with a key id, or -1.
func (c credentials) secretIndex(keyID string) int {
	return slices.IndexFunc(*c.secrets, func(s Secret) bool { return arm.SameName(s.KeyID, keyID) })
}

// AddSecret adds a secret to an application, and sets its key id if it is empty. It returns ErrNotFound,
// ErrTooManySecrets, or ErrExists if the application has a secret with this key id.
func (d *Directory) AddSecret(tx store.Tx, tenant, appID string, s Secret) error {
	if s.KeyID == "" {
		s.KeyID = d.NewID()
	}
	return d.changeCredentials(tx, tenant, appID, func(c credentials) error { return c.addSecret(s) })
}

// RemoveSecret removes a secret of an application by its key id, or returns ErrNotFound.
func (d *Directory) RemoveSecret(tx store.Tx, tenant, appID, keyID string) error {
	return d.changeCredentials(tx, tenant, appID, func(c credentials) error { return c.removeSecret(keyID) })
}

// AddCertificate adds a certificate to an application, and sets its key id if it is empty. It returns
// ErrNotFound, ErrTooManySecrets, or ErrExists if the application has this certificate or this key id.
func (d *Directory) AddCertificate(tx store.Tx, tenant, appID string, cert Certificate) error {
	if cert.KeyID == "" {
		cert.KeyID = d.NewID()
	}
	return d.changeCredentials(tx, tenant, appID, func(c credentials) error { return c.addCertificate(cert) })
}

// RemoveCertificate removes a certificate of an application by its key id, or returns ErrNotFound.
func (d *Directory) RemoveCertificate(tx store.Tx, tenant, appID, keyID string) error {
	return d.changeCredentials(tx, tenant, appID, func(c credentials) error { return c.removeCertificate(keyID) })
}

func (d *Directory) changeCredentials(tx store.Tx, tenant, appID string, change func(credentials) error) error {
	a, err := d.ApplicationByAppID(tx, tenant, appID)
	if err == nil {
		err = change(a.credentials())
	}
	if err != nil {
		return fmt.Errorf("change credentials of application %s: %w", appID, err)
	}
	return applications.Put(tx, applicationKey(tenant, appID), a)
}

// AddPrincipalSecret is AddSecret for a service principal, by its object id. The service principal of a
// managed identity has no secrets (ErrInvalid), and Microsoft's cannot be changed (ErrFirstParty).
func (d *Directory) AddPrincipalSecret(tx store.Tx, tenant, oid string, s Secret) error {
	if s.KeyID == "" {
		s.KeyID = d.NewID()
	}
	return d.changePrincipalCredentials(tx, tenant, oid, func(c credentials) error { return c.addSecret(s) })
}

// RemovePrincipalSecret is RemoveSecret for a service principal, by its object id.
func (d *Directory) RemovePrincipalSecret(tx store.Tx, tenant, oid, keyID string) error {
	return d.changePrincipalCredentials(tx, tenant, oid, func(c credentials) error { return c.removeSecret(keyID) })
}

// AddPrincipalCertificate is AddCertificate for a service principal, by its object id. Its errors are those of
// AddPrincipalSecret.
func (d *Directory) AddPrincipalCertificate(tx store.Tx, tenant, oid string, cert Certificate) error {
	if cert.KeyID == "" {
		cert.KeyID = d.NewID()
	}
	return d.changePrincipalCredentials(tx, tenant, oid, func(c credentials) error { return c.addCertificate(cert) })
}

// RemovePrincipalCertificate is RemoveCertificate for a service principal, by its object id.
func (d *Directory) RemovePrincipalCertificate(tx store.Tx, tenant, oid, keyID string) error {
	return d.changePrincipalCredentials(tx, tenant, oid, func(c credentials) error { return c.removeCertificate(keyID) })
}

func (d *Directory) changePrincipalCredentials(tx store.Tx, tenant, oid string, change func(credentials) error) error {
	p, err := d.ServicePrincipal(tx, tenant, oid)
	if err == nil && p.FirstParty {
		err = ErrFirstParty
	}
	if err == nil {
		err = change(p.credentials())
	}
	if err == nil {
		err = p.checkCredentials()
	}
	if err != nil {
		return fmt.Errorf("change credentials of service principal %s: %w", oid, err)
	}
	return d.putPrincipal(tx, p, p) // its token status is unchanged
}

// checkCredentials returns ErrTooManySecrets, or ErrInvalid if a managed identity has credentials: its tokens
// go only to the hosts of its resources.
func (p *ServicePrincipal) checkCredentials() error {
	if p.Type == TypeManagedIdentity && len(p.Secrets)+len(p.Certificates) > 0 {
		return fmt.Errorf("%w: the service principal of a managed identity cannot have credentials", ErrInvalid)
	}
	return p.credentials().check()
}
