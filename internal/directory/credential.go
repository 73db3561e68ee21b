package directory

import (
	"bytes"
	"fmt"
	"slices"

	"midas/internal/arm"
	"midas/internal/store"
)

// AddSecret adds a secret to an application, and sets its key id if it is empty. It returns ErrNotFound,
// ErrTooManySecrets, or ErrExists if the application has a secret with this key id.
func (d *Directory) AddSecret(tx store.Tx, tenant, appID string, s Secret) error {
	if s.KeyID == "" {
		s.KeyID = d.NewID()
	}
	return d.changeCredentials(tx, tenant, appID, func(a *Application) error {
		if a.secretIndex(s.KeyID) >= 0 {
			return ErrExists
		}
		if len(a.Secrets) >= maxSecrets {
			return ErrTooManySecrets
		}
		a.Secrets = append(a.Secrets, s)
		return nil
	})
}

// RemoveSecret removes a secret by its key id, or gives ErrNotFound.
func (d *Directory) RemoveSecret(tx store.Tx, tenant, appID, keyID string) error {
	return d.changeCredentials(tx, tenant, appID, func(a *Application) error {
		i := a.secretIndex(keyID)
		if i < 0 {
			return ErrNotFound
		}
		a.Secrets = slices.Delete(a.Secrets, i, i+1)
		return nil
	})
}

// AddCertificate adds a certificate to an application, and sets its key id if it is empty. It returns
// ErrNotFound, ErrTooManySecrets, or ErrExists if the application has this certificate or this key id.
func (d *Directory) AddCertificate(tx store.Tx, tenant, appID string, c Certificate) error {
	if c.KeyID == "" {
		c.KeyID = d.NewID()
	}
	return d.changeCredentials(tx, tenant, appID, func(a *Application) error {
		same := func(o Certificate) bool { return arm.SameName(o.KeyID, c.KeyID) || bytes.Equal(o.SHA256, c.SHA256) }
		if slices.ContainsFunc(a.Certificates, same) {
			return ErrExists
		}
		if len(a.Certificates) >= maxCertificates {
			return ErrTooManySecrets
		}
		a.Certificates = append(a.Certificates, c)
		return nil
	})
}

// RemoveCertificate removes a certificate by its key id, or gives ErrNotFound.
func (d *Directory) RemoveCertificate(tx store.Tx, tenant, appID, keyID string) error {
	return d.changeCredentials(tx, tenant, appID, func(a *Application) error {
		i := slices.IndexFunc(a.Certificates, func(c Certificate) bool { return arm.SameName(c.KeyID, keyID) })
		if i < 0 {
			return ErrNotFound
		}
		a.Certificates = slices.Delete(a.Certificates, i, i+1)
		return nil
	})
}

func (d *Directory) changeCredentials(tx store.Tx, tenant, appID string, change func(*Application) error) error {
	a, err := d.ApplicationByAppID(tx, tenant, appID)
	if err == nil {
		err = change(&a)
	}
	if err != nil {
		return fmt.Errorf("change credentials of application %s: %w", appID, err)
	}
	return applications.Put(tx, applicationKey(tenant, appID), a)
}

// secretIndex is the position of the secret with a key id, or -1.
func (a *Application) secretIndex(keyID string) int {
	return slices.IndexFunc(a.Secrets, func(s Secret) bool { return arm.SameName(s.KeyID, keyID) })
}
