package management_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"midas/internal/api/bearer"
	"midas/internal/api/management"
	"midas/internal/store"
	"midas/internal/token"
)

// TestErrorTextsMatchAzure has those texts that clients and people know and no recording holds.
func TestErrorTextsMatchAzure(t *testing.T) {
	s := newStack(t)
	s.makeScopes(t)
	const (
		v    = "?api-version=2023-01-31"
		base = "/subscriptions/" + sub + "/resourceGroups/rg/providers/"

		incomplete = "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' and 'audience'."
		deprecated = "ResourceIdentity property identityIds is deprecated. The userAssignedIdentities property should be used instead."
	)
	for _, row := range []struct{ method, path, body, code, message string }{
		{"PUT", uaiPath + "app/federatedIdentityCredentials/x" + v, trust, "BadRequest",
			"Federated Identity Credential name 'x' is invalid."},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"https://i.test","subject":"s","audiences":["a","b"]}}`, "BadRequest",
			"Federated identity credentials must have exactly one audience."},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"https://i.test","subject":"s","audiences":[]}}`, "BadRequest",
			"Federated identity credentials must have exactly one audience."},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{}}`, "BadRequest",
			"Federated Identity Credential from HTTP body has empty properties"},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"subject":"s","audiences":["a"]}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"","subject":"s","audiences":["a"]}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"https://i.test","audiences":["a"]}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"https://i.test","subject":"s"}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two" + v, `{"properties":{"issuer":"https://i.test","subject":"s","audiences":[""]}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "app/federatedIdentityCredentials/two?api-version=2025-05-31-preview", `{"properties":{"issuer":"https://i.test","audiences":["a"]}}`, "BadRequest", incomplete},
		{"PUT", uaiPath + "none/federatedIdentityCredentials/x" + v, `{"properties":{}}`, "ParentResourceNotFound", "The parent user-assigned identity doesn't exist."},
		{"PUT", strings.Replace(uaiPath, "/rg/", "/none/", 1) + "x" + v, `{"location":"eastus"}`, "ResourceGroupNotFound", "Resource group 'none' could not be found."},
		{"PUT", strings.Replace(uaiPath, "/rg/", "/none/", 1) + "x/federatedIdentityCredentials/x" + v, `{"properties":{}}`, "ResourceGroupNotFound", "Resource group 'none' could not be found."},
		{"PUT", vmPath + compute24, `{"location":"eastus","identity":{"type":"UserAssigned","identityIds":["` + base + `Microsoft.ManagedIdentity/userAssignedIdentities/app"]}}`, "InvalidParameter", deprecated},
		{"PATCH", vmPath + "?api-version=2018-06-01", `{"identity":{"type":"UserAssigned","identityIds":[]}}`, "InvalidParameter", deprecated},
		{"PUT", setPath + compute24, `{"location":"eastus","identity":{"type":"UserAssigned","identityIds":["x"]}}`, "InvalidParameter", deprecated},
		{"PUT", uaiPath + "none/federatedIdentityCredentials/fic" + v, trust, "ParentResourceNotFound",
			"The parent user-assigned identity doesn't exist."},
		{"GET", uaiPath + "none/federatedIdentityCredentials" + v, "", "ParentResourceNotFound",
			"Failed to perform 'read' on resource(s) of type 'userAssignedIdentities/federatedIdentityCredentials', because the parent resource '" + base + "Microsoft.ManagedIdentity/userAssignedIdentities/none' could not be found."},
		{"GET", uaiPath + "none/FEDERATEDIdentityCredentials/Fic" + v, "", "ResourceNotFound",
			"The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/none' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
		{"GET", setPath + "/virtualmachines/0" + compute24, "", "ResourceNotFound",
			"The Resource 'Microsoft.Compute/virtualMachineScaleSets/none' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
		{"GET", strings.ToLower(uaiPath) + "App/federatedidentitycredentials/Fic2" + v, "", "ResourceNotFound",
			"The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/App/federatedIdentityCredentials/Fic2' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
		{"GET", "{sub}/resourceGroups/rg/providers/contoso.apps/JOBS/j" + v, "", "ResourceNotFound",
			"The Resource 'contoso.apps/JOBS/j' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"},
		{"PUT", vmPath + compute24, `{"location":"east/us"}`, "LocationNotAvailableForResourceType",
			"The provided location 'east/us' is not available for resource type 'Microsoft.Compute/virtualMachines'. List of available regions for the resource type is 'any name of at most 64 letters, digits and hyphens'."},
	} {
		w := s.do(t, "owner", row.method, row.path, row.body)
		var got struct {
			Error struct{ Code, Message string }
		}
		must(t, json.Unmarshal(w.Body.Bytes(), &got))
		if got.Error.Code != row.code || got.Error.Message != row.message {
			t.Errorf("%s %s\n got %s: %s\nwant %s: %s", row.method, row.path, got.Error.Code, got.Error.Message, row.code, row.message)
		}
	}
	s.want(t, 204, "owner", "DELETE", uaiPath+"none/federatedIdentityCredentials/fic"+v, "")
}

// verifier answers every token with an error.
type verifier struct{ err error }

func (v verifier) Verify(context.Context, string) (*token.Claims, error) { return nil, v.err }

// TestFailureCauseHeader has the front door refuse, a provider refuse, and the service fail.
func TestFailureCauseHeader(t *testing.T) {
	var tokens bearer.Verifier
	s := newStackOf(t, func(h *management.Handler) { tokens, h.Tokens = h.Tokens, changing{&tokens} })
	s.want(t, 201, "owner", "PUT", "{sub}/resourceGroups/rg"+core, `{"location":"eastus"}`)
	good := tokens
	for _, row := range []struct {
		name     string
		verifier bearer.Verifier
		path     string
		status   int
		cause    string
	}{
		{"no such group", good, "{sub}/resourceGroups/none" + core, 404, "gateway"},
		{"a bad token", verifier{token.ErrSignature}, "{sub}/resourceGroups/rg" + core, 401, "gateway"},
		{"no such assignment", good, "{sub}/providers/Microsoft.Authorization/roleAssignments/" + sub + auth22, 404, ""},
		{"a failure", verifier{errors.New("the disk is full")}, "{sub}/resourceGroups/rg" + core, 500, "service"},
		{"a store that is busy", verifier{store.ErrConflict}, "{sub}/resourceGroups/rg" + core, 503, "service"},
		{"success", good, "{sub}/resourceGroups/rg" + core, 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			tokens = row.verifier
			w := s.want(t, row.status, "owner", "GET", row.path, "")
			if got := w.Header().Get("X-Ms-Failure-Cause"); got != row.cause {
				t.Errorf("x-ms-failure-cause is %q, want %q", got, row.cause)
			}
		})
	}
}

// changing is whichever verifier is set at the time.
type changing struct{ now *bearer.Verifier }

func (v changing) Verify(ctx context.Context, raw string) (*token.Claims, error) {
	return (*v.now).Verify(ctx, raw)
}
