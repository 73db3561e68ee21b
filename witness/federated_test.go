package witness_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/msi/armmsi"
)

func federated(issuer, subject string, audiences ...string) armmsi.FederatedIdentityCredential {
	p := &armmsi.FederatedIdentityCredentialProperties{Issuer: &issuer, Subject: &subject}
	for _, audience := range audiences {
		p.Audiences = append(p.Audiences, &audience)
	}
	return armmsi.FederatedIdentityCredential{Properties: p}
}

const (
	github        = "https://token.actions.githubusercontent.com"
	tokenExchange = "api://AzureADTokenExchange"
)

func TestFederatedCredentialFromCreationToEnd(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	identity := w.identity(t, "rg", "app")
	client := w.msi(t).NewFederatedIdentityCredentialsClient()
	var answer *http.Response
	ctx := raw(t.Context(), &answer)

	wanted := federated(github, "repo:org/repo:ref:refs/heads/main", tokenExchange)
	made, err := client.CreateOrUpdate(ctx, "rg", "app", "main", wanted, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
	want := armmsi.FederatedIdentityCredential{
		ID: new(*identity.ID + "/federatedIdentityCredentials/main"), Name: new("main"),
		Type:       new("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"),
		Properties: wanted.Properties,
	}
	equal(t, want, made.FederatedIdentityCredential)

	wanted.Properties.Subject = new("repo:org/repo:ref:refs/heads/next")
	changed, err := client.CreateOrUpdate(ctx, "rg", "app", "main", wanted, nil)
	check(t, err)
	wantStatus(t, answer, http.StatusOK)
	equal(t, want, changed.FederatedIdentityCredential)
	got, err := client.Get(ctx, "rg", "app", "MAIN", nil)
	check(t, err)
	equal(t, want, got.FederatedIdentityCredential)

	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		_, err = client.Delete(ctx, "rg", "app", "main", nil)
		check(t, err)
		wantStatus(t, answer, status)
	}
	_, err = client.Get(ctx, "rg", "app", "main", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}

func TestFederatedCredentialsAreListedByPages(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	w.identity(t, "rg", "app")
	client := w.msi(t).NewFederatedIdentityCredentialsClient()
	for i := range 20 {
		_, err := client.CreateOrUpdate(t.Context(), "rg", "app", fmt.Sprintf("ci-%02d", i), federated(github, fmt.Sprint("s", i), tokenExchange), nil)
		check(t, err)
	}
	_, err := client.CreateOrUpdate(t.Context(), "rg", "app", "ci-20", federated(github, "s20", tokenExchange), nil)
	wantRefusal(t, err, 400, "BadRequest")

	list := pages(t, client.NewListPager("rg", "app", &armmsi.FederatedIdentityCredentialsClientListOptions{Top: new(int32(7))}))
	next := 0
	for _, page := range list {
		for _, credential := range page.Value {
			if want := fmt.Sprintf("ci-%02d", next); *credential.Name != want {
				t.Errorf("%s is where %s should be", *credential.Name, want)
			}
			next++
		}
	}
	if len(list) != 3 || next != 20 {
		t.Errorf("%d pages with %d credentials", len(list), next)
	}
	if whole := pages(t, client.NewListPager("rg", "app", nil)); len(whole) != 1 || len(whole[0].Value) != 20 {
		t.Errorf("%d pages", len(whole))
	}
}

func TestFederatedCredentialsThatAreRefused(t *testing.T) {
	w := start(t)
	w.group(t, "rg")
	w.identity(t, "rg", "app")
	client := w.msi(t).NewFederatedIdentityCredentialsClient()
	_, err := client.CreateOrUpdate(t.Context(), "rg", "app", "first", federated(github, "s", tokenExchange), nil)
	check(t, err)
	for name, c := range map[string]struct {
		identity, name string
		credential     armmsi.FederatedIdentityCredential
		status         int
		code           string
	}{
		"no identity":       {"none", "ci1", federated(github, "s1", tokenExchange), 404, "ParentResourceNotFound"},
		"two audiences":     {"app", "ci2", federated(github, "s2", tokenExchange, "api://other"), 400, "BadRequest"},
		"no audience":       {"app", "ci3", federated(github, "s3"), 400, "BadRequest"},
		"same as the first": {"app", "ci4", federated(github, "s", tokenExchange), 400, "BadRequest"},
		"issuer in clear":   {"app", "ci5", federated("http://issuer.example", "s5", tokenExchange), 400, "BadRequest"},
		"no properties":     {"app", "ci6", armmsi.FederatedIdentityCredential{}, 400, "BadRequest"},
		"name that is not":  {"app", "-ci", federated(github, "s7", tokenExchange), 400, "BadRequest"},
		"subject of 601":    {"app", "ci8", federated(github, strings.Repeat("s", 601), tokenExchange), 400, "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.CreateOrUpdate(t.Context(), "rg", c.identity, c.name, c.credential, nil)
			wantRefusal(t, err, c.status, c.code)
		})
	}
	if list := pages(t, client.NewListPager("rg", "app", nil)); len(list) != 1 || len(list[0].Value) != 1 {
		t.Error("a refused credential is there")
	}
	if _, err := w.msi(t).NewUserAssignedIdentitiesClient().Delete(t.Context(), "rg", "app", nil); err != nil {
		t.Fatal(err)
	}
	_, err = client.Get(t.Context(), "rg", "app", "first", nil)
	wantRefusal(t, err, 404, "ResourceNotFound")
}
