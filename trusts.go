package midas

import (
	"context"
	"errors"

	"midas/internal/arm"
	"midas/internal/directory"
	"midas/internal/federation"
	"midas/internal/identity"
	"midas/internal/store"
)

// trusts finds the federated credentials of clients. It keeps them decoded and their expressions parsed, because every
// exchange of a token needs them.
type trusts struct {
	store      store.Store
	identities *identity.Service
	directory  *directory.Directory
	kept       store.Memo[[]federation.Credential] // by the id of an identity, and by tenant and client id
}

func newTrusts(st store.Store, identities *identity.Service, dir *directory.Directory) *trusts {
	return &trusts{store: st, identities: identities, directory: dir, kept: store.Memo[[]federation.Credential]{
		Name: "federated credentials", Size: credentialsSize,
	}}
}

func credentialsSize(all []federation.Credential) int {
	n := 64
	for i := range all {
		n += all[i].Size()
	}
	return n
}

// of returns the federated credentials of an application or of a managed identity. A system-assigned identity has
// none. Callers share them and must not modify them.
func (t *trusts) of(ctx context.Context, p directory.ServicePrincipal) (all []federation.Credential, err error) {
	key, compute := t.source(p)
	err = t.store.Recent(ctx, func(tx store.Tx) error {
		all, err = t.kept.Of(tx, key, nil, compute)
		return err
	})
	return all, err
}

// source returns the key of a principal's credentials, and the function that reads them. The key says all that the
// function needs of the principal.
func (t *trusts) source(p directory.ServicePrincipal) (key string, compute func(store.Tx) ([]federation.Credential, error)) {
	if p.Type != directory.TypeManagedIdentity {
		key = arm.Fold(p.TenantID) + " " + arm.Fold(p.AppID)
		return key, func(tx store.Tx) ([]federation.Credential, error) { return t.ofApplication(tx, p) }
	}
	return p.ResourceID, func(tx store.Tx) ([]federation.Credential, error) {
		id, err := arm.ParseID(p.ResourceID)
		if err != nil || !id.Type().Is(identity.Type) {
			return nil, nil
		}
		return t.ofIdentity(tx, id)
	}
}

func (t *trusts) ofIdentity(tx store.Tx, id arm.ID) ([]federation.Credential, error) {
	found, err := t.identities.EffectiveFederated(tx, id)
	all := make([]federation.Credential, len(found))
	for i, f := range found {
		all[i] = federation.Credential{ID: f.ID.String(), Name: f.Name, Issuer: f.Issuer, Subject: f.Subject, Audiences: f.Audiences}
		if f.Matching != nil {
			all[i].Expression = f.Matching.Value
		}
		all[i] = all[i].Parsed()
	}
	return all, err
}

func (t *trusts) ofApplication(tx store.Tx, p directory.ServicePrincipal) ([]federation.Credential, error) {
	app, err := t.directory.Client(tx, p.TenantID, p.AppID)
	if errors.Is(err, directory.ErrNotFound) {
		return nil, nil
	}
	all := make([]federation.Credential, len(app.Federated))
	for i, f := range app.Federated {
		all[i] = federation.Credential{ID: f.ID, Name: f.Name, Issuer: f.Issuer, Subject: f.Subject, Audiences: f.Audiences}
		if f.Matching != nil {
			all[i].Expression = f.Matching.Value
		}
		all[i] = all[i].Parsed()
	}
	return all, err
}
