package directory

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// maxSecrets bounds what one wrong secret costs to refuse.
const maxSecrets = 20

// Application is a registration: the client that asks for tokens, and how it proves itself.
type Application struct {
	ID          string    `json:"id"`    // object id
	AppID       string    `json:"appId"` // client id
	TenantID    string    `json:"tenantId"`
	DisplayName string    `json:"displayName"`
	Secrets     []Secret  `json:"secrets,omitempty"`
	Created     time.Time `json:"created"`
}

type applicationRecord struct {
	version
	Application
}

// CreateApplication adds an application, or gives ErrExists. Its service principal is created
// apart.
func (d *Directory) CreateApplication(tx store.Tx, a Application) error {
	if a.ID == "" || a.AppID == "" || a.TenantID == "" {
		return errors.New("create application: object id, client id and tenant are required")
	}
	if len(a.Secrets) > maxSecrets {
		return fmt.Errorf("create application %s: %w", a.AppID, ErrTooManySecrets)
	}
	if a.Created.IsZero() {
		a.Created = d.Now().UTC()
	}
	record, byID := applicationKey(a.TenantID, a.AppID), applicationIDKey(a.TenantID, a.ID)
	for _, k := range []string{record, byID} {
		if err := absent(tx, k); err != nil {
			return fmt.Errorf("create application %s: %w", a.AppID, err)
		}
	}
	if err := put(tx, byID, reference{version{current}, a.AppID}); err != nil {
		return err
	}
	return put(tx, record, applicationRecord{version{current}, a})
}

// ApplicationByAppID gives the application with a client id, or ErrNotFound.
func (d *Directory) ApplicationByAppID(tx store.Tx, tenant, appID string) (Application, error) {
	r, err := get[applicationRecord](tx, applicationKey(tenant, appID))
	return r.Application, err
}

// Application gives the application with an object id, or ErrNotFound.
func (d *Directory) Application(tx store.Tx, tenant, id string) (Application, error) {
	ref, err := get[reference](tx, applicationIDKey(tenant, id))
	if err != nil {
		return Application{}, err
	}
	return d.ApplicationByAppID(tx, tenant, ref.ID)
}

// AddSecret adds a secret to an application, and names it if it has no key id. It gives ErrNotFound, ErrTooManySecrets, or ErrExists
// when the application has a secret with this key id.
func (d *Directory) AddSecret(tx store.Tx, tenant, appID string, s Secret) error {
	if s.KeyID == "" {
		s.KeyID = d.NewID()
	}
	return d.changeSecrets(tx, tenant, appID, func(a *Application) error {
		if a.secret(s.KeyID) >= 0 {
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
	return d.changeSecrets(tx, tenant, appID, func(a *Application) error {
		i := a.secret(keyID)
		if i < 0 {
			return ErrNotFound
		}
		a.Secrets = slices.Delete(a.Secrets, i, i+1)
		return nil
	})
}

func (d *Directory) changeSecrets(tx store.Tx, tenant, appID string, change func(*Application) error) error {
	a, err := d.ApplicationByAppID(tx, tenant, appID)
	if err == nil {
		err = change(&a)
	}
	if err != nil {
		return fmt.Errorf("change secrets of application %s: %w", appID, err)
	}
	return put(tx, applicationKey(tenant, appID), applicationRecord{version{current}, a})
}

// secret is the position of the secret with a key id, or -1.
func (a *Application) secret(keyID string) int {
	return slices.IndexFunc(a.Secrets, func(s Secret) bool { return arm.SameName(s.KeyID, keyID) })
}
