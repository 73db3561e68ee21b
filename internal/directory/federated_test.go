package directory_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

func federated(name, issuer, subject string) directory.FederatedCredential {
	return directory.FederatedCredential{ID: "id-of-" + name, Name: name, Issuer: issuer, Subject: subject, Audiences: []string{"api://AzureADTokenExchange"}}
}

// storeFederated writes an application with credentials as an earlier version has stored them.
func storeFederated(t *testing.T, all ...directory.FederatedCredential) (*directory.Directory, directory.Application) {
	t.Helper()
	d := newDirectory(t)
	do(t, d, func(tx store.Tx) error { return d.CreateApplication(tx, application()) })
	a := application()
	a.Federated = all
	do(t, d, func(tx store.Tx) error {
		record, err := json.Marshal(struct {
			V int `json:"v"`
			directory.Application
		}{1, a})
		tx.Put("d/"+tenant+"/app/"+client, record)
		return err
	})
	return d, a
}

// Credentials that an earlier version has accepted hinder no other change of the application.
func TestStoredFederatedCredentialsAreNotCheckedAgain(t *testing.T) {
	const issuer = "https://issuer.test"
	stored := []directory.FederatedCredential{
		federated("_first", issuer, "one"), federated("-second", issuer, "two"), federated("query", issuer+"/?tenant=1", "three"),
		federated("user", "https://user@issuer.test", "four"), federated("twice", issuer, "five"), federated("again", issuer, "five"),
	}
	for i := range 20 {
		stored = append(stored, federated(fmt.Sprintf("more-%d", i), issuer, fmt.Sprint(i)))
	}
	last := len(stored) - 1
	for name, c := range map[string]struct {
		change func(*directory.Application)
		want   error
	}{
		"another property":                  {func(a *directory.Application) { a.DisplayName = "renamed" }, nil},
		"a credential is removed":           {func(a *directory.Application) { a.Federated = a.Federated[1:] }, nil},
		"a good one is changed":             {func(a *directory.Application) { a.Federated[last].Subject = "other" }, nil},
		"the name cannot be changed":        {func(a *directory.Application) { a.Federated[0].Subject = "other" }, nil},
		"the issuer is mended":              {func(a *directory.Application) { a.Federated[2].Issuer = issuer }, nil},
		"the subject is mended":             {func(a *directory.Application) { a.Federated[5].Subject = "six" }, nil},
		"the issuer is not mended":          {func(a *directory.Application) { a.Federated[2].Subject = "other" }, directory.ErrInvalid},
		"the subject is not unique":         {func(a *directory.Application) { a.Federated[last].Subject = "one" }, directory.ErrInvalid},
		"one before it has the subject now": {func(a *directory.Application) { a.Federated[0].Subject = "two" }, directory.ErrInvalid},
		"a new issuer is invalid":           {func(a *directory.Application) { a.Federated[last].Issuer = "https://u@issuer.test" }, directory.ErrInvalid},
		"one more": {func(a *directory.Application) {
			a.Federated = append(a.Federated, federated("new", issuer, "new"))
		}, directory.ErrTooManyFederated},
		"another in its place": {func(a *directory.Application) { a.Federated[last] = federated("_new", issuer, "new") }, directory.ErrInvalid},
		"a name of another":    {func(a *directory.Application) { a.Federated[last] = federated("QUERY", issuer, "new") }, directory.ErrExists},
	} {
		t.Run(name, func(t *testing.T) {
			d, a := storeFederated(t, stored...)
			a.Federated = slices.Clone(stored)
			c.change(&a)
			if err := update(t, d, func(tx store.Tx) error { return d.UpdateApplication(tx, a) }); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
