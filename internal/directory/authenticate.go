package directory

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/store"
)

// dummyRecord is decoded if an application or its principal does not exist, so that refusing an unknown
// client takes about the time of refusing a wrong secret: two records and one hash. No secret has its hash.
const dummyRecord = `{"v":1,"id":"00000000-0000-0000-0000-000000000000","appId":"00000000-0000-0000-0000-000000000000",` +
	`"tenantId":"00000000-0000-0000-0000-000000000000","displayName":"","created":"2000-01-01T00:00:00Z",` +
	`"secrets":[{"keyId":"00000000-0000-0000-0000-000000000000","hint":"","salt":"AAAAAAAAAAAAAAAAAAAAAA==",` +
	`"hash":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","start":"2000-01-01T00:00:00Z","end":"2000-01-01T00:00:00Z"}]}`

func dummyApplication() (Application, error) {
	rec := store.Record{Key: "decoy", Value: []byte(dummyRecord)}
	if _, err := principals.Decode(rec); err != nil {
		return Application{}, err
	}
	return applications.Decode(rec)
}

// Authenticate checks a client's secret and returns its service principal. The error is
// ErrUnknownApplication, ErrWrongSecret, or, only if the secret is right, ErrExpiredSecret or ErrDisabled.
// With ErrDisabled it also returns the principal, for the text of the error.
//
// All secrets of the application and of its service principal are compared, each in constant time, whatever
// the outcome.
func (d *Directory) Authenticate(ctx context.Context, tenant, appID string, text SecretText) (p ServicePrincipal, err error) {
	err = d.Store.Recent(ctx, func(tx store.Tx) error {
		var app Application
		var found bool
		app, p, found, err = d.client(tx, tenant, appID)
		if err == nil && !found {
			app, err = dummyApplication()
		}
		if err != nil {
			return fmt.Errorf("authenticate %s: %w", appID, err)
		}
		matched, valid := d.compare(text, app.Secrets, p.Secrets)
		switch {
		case !found:
			return ErrUnknownApplication
		case !matched:
			return ErrWrongSecret
		case !valid:
			return ErrExpiredSecret
		case !p.Enabled:
			return ErrDisabled
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrDisabled) {
		return ServicePrincipal{}, err
	}
	return p, err
}

// compare reports whether a text is one of the secrets, and whether such a secret is valid now.
func (d *Directory) compare(text SecretText, secrets ...[]Secret) (matched, valid bool) {
	now := d.Now()
	for _, some := range secrets {
		for _, s := range some {
			if s.matches(text) {
				matched = true
				valid = valid || s.validAt(now)
			}
		}
	}
	return matched, valid
}

// client reads an application and its service principal. Both are shared and must not be changed. An
// application without a service principal counts as not found, because it cannot get tokens.
func (d *Directory) client(tx store.Tx, tenant, appID string) (app Application, p ServicePrincipal, found bool, err error) {
	app, err = applications.GetShared(tx, applicationKey(tenant, appID), &d.decoded.apps)
	if err == nil {
		p, err = d.ClientPrincipal(tx, tenant, appID)
	}
	if errors.Is(err, ErrNotFound) {
		return app, p, false, nil
	}
	return app, p, err == nil, err
}
