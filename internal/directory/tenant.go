package directory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/arm"
	"midas/internal/store"
)

// Tenant is one directory. Its users, groups, applications and service principals exist only in it.
type Tenant struct {
	ID            string    `json:"id"` // a GUID
	DisplayName   string    `json:"displayName"`
	DefaultDomain string    `json:"defaultDomain,omitempty"` // may stand for the id in URLs
	Created       time.Time `json:"created"`
}

// PutTenant creates or replaces a tenant. It returns ErrExists if another tenant has its domain.
func (d *Directory) PutTenant(tx store.Tx, t Tenant) error {
	if t.ID == "" {
		return errors.New("put tenant: it has no id")
	}
	old, err := d.Tenant(tx, t.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("put tenant %s: %w", t.ID, err)
	}
	if t.DefaultDomain != "" {
		switch ref, err := domains.Get(tx, domainKey(t.DefaultDomain)); {
		case err == nil && !arm.SameName(ref.ID, t.ID):
			return fmt.Errorf("put tenant %s: domain %s: %w", t.ID, t.DefaultDomain, ErrExists)
		case err != nil && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("put tenant %s: %w", t.ID, err)
		}
	}
	if old.DefaultDomain != "" && !arm.SameName(old.DefaultDomain, t.DefaultDomain) {
		tx.Delete(domainKey(old.DefaultDomain))
	}
	if t.DefaultDomain != "" {
		if err := domains.Put(tx, domainKey(t.DefaultDomain), reference{t.ID}); err != nil {
			return err
		}
	}
	if t.Created.IsZero() {
		t.Created = d.Now().UTC()
	}
	return tenants.Put(tx, tenantKey(t.ID), t)
}

// Tenant gives the tenant with an id, or ErrNotFound.
func (d *Directory) Tenant(tx store.Tx, id string) (Tenant, error) {
	return tenants.GetShared(tx, tenantKey(id), &d.decoded.tenants)
}

// TenantByName gives the tenant with an id or with a domain name, as URLs name it, or ErrNotFound.
func (d *Directory) TenantByName(tx store.Tx, name string) (Tenant, error) {
	t, err := d.Tenant(tx, name)
	if !errors.Is(err, ErrNotFound) {
		return t, err
	}
	ref, err := domains.Get(tx, domainKey(name))
	if err != nil {
		return Tenant{}, err
	}
	return d.Tenant(tx, ref.ID)
}

// FindTenant is TenantByName in a Recent of its own, because every request for a token needs the tenant.
func (d *Directory) FindTenant(ctx context.Context, name string) (t Tenant, err error) {
	err = d.Store.Recent(ctx, func(tx store.Tx) error {
		t, err = d.TenantByName(tx, name)
		return err
	})
	return t, err
}

// Tenants gives all tenants in the order of their ids.
func (d *Directory) Tenants(tx store.Tx) ([]Tenant, error) {
	var all []Tenant
	for t, err := range tenants.Scan(tx, store.Range{Prefix: tenantKey("")}) {
		if err != nil {
			return nil, fmt.Errorf("list tenants: %w", err)
		}
		all = append(all, t.Data)
	}
	return all, nil
}
