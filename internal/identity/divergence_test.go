package identity_test

import (
	"fmt"
	"testing"

	"midas/internal/activity"
	"midas/internal/identity"
)

// The tests of this file prove lines of docs/azure-divergences.md that no other test proves.

func TestTwentyFirstFederatedCredentialIsRejected(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	add := func(n int) error {
		_, _, err := s.PutFederated(t.Context(), activity.Event{}, id(t, fmt.Sprintf("%s/federatedIdentityCredentials/fic%d", app, n)),
			identity.Federated{Issuer: "https://issuer.test", Subject: fmt.Sprint(n), Audiences: []string{"a"}})
		return err
	}
	for n := range 20 {
		if err := add(n); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, add(20), "BadRequest")
	if err := add(7); err != nil {
		t.Errorf("an existing credential cannot be replaced: %v", err)
	}
}

func TestRestrictionsToATypeAllowNestedTypes(t *testing.T) {
	s := newService(t)
	put(t, s, app)
	_, _, err := s.Put(t.Context(), activity.Event{}, id(t, app), func(i identity.Identity) (identity.Identity, error) {
		i.Restrictions = &identity.Restrictions{Providers: []string{"Microsoft.Compute/virtualMachines"}}
		return i, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	putResource(t, s, vm, identity.IdentityChange{})
	putResource(t, s, vm+"/extensions/e", assign(identity.UserAssigned, app))
	_, err = tryPutResource(t, s, group+"/providers/Microsoft.Compute/virtualMachinesToo/v", assign(identity.UserAssigned, app))
	wantCode(t, err, "FailedIdentityOperation")
}
