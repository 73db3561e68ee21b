package witness_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/authorization/armauthorization/v2"
	"github.com/google/uuid"
)

// putDeny creates a deny assignment. The SDK's client reads only, so its pipeline sends the request.
func (w *world) putDeny(ctx context.Context, t *testing.T, path, body string) {
	t.Helper()
	client, err := arm.NewClient("witness", "v0.0.1", w.admin(t), w.options())
	check(t, err)
	r, err := runtime.NewRequest(ctx, http.MethodPut, w.Endpoint+path+"?api-version=2024-07-01-preview")
	check(t, err)
	check(t, r.SetBody(readSeeker{strings.NewReader(body)}, "application/json"))
	answer, err := client.Pipeline().Do(r)
	check(t, err)
	wantStatus(t, answer, http.StatusCreated)
}

type readSeeker struct{ *strings.Reader }

func (readSeeker) Close() error { return nil }

// Every operation of the SDK's client of deny assignments, and a request that one denies.
func TestSDKReadsDenyAssignments(t *testing.T) {
	w := start(t)
	group := w.group(t, "rg")
	principal := *w.identity(t, "rg", "app").Properties.PrincipalID
	name := uuid.NewString()
	id := group + "/providers/Microsoft.Authorization/denyAssignments/" + name
	w.putDeny(t.Context(), t, id, `{"properties":{"denyAssignmentName":"No deletions","permissions":[{"actions":["Microsoft.ManagedIdentity/userAssignedIdentities/delete"]}],`+
		`"principals":[{"id":"00000000-0000-0000-0000-000000000000","type":"SystemDefined"}],"excludePrincipals":[{"id":"`+principal+`","type":"ServicePrincipal"}]}}`)

	client := w.authorization(t).NewDenyAssignmentsClient()
	got, err := client.Get(t.Context(), group, name, nil)
	check(t, err)
	byID, err := client.GetByID(t.Context(), id, nil)
	check(t, err)
	equal(t, got.DenyAssignment, byID.DenyAssignment)
	if p := got.Properties; *p.DenyAssignmentName != "No deletions" || *p.Scope != group || *p.IsSystemProtected || *p.DoNotApplyToChildScopes ||
		*p.Principals[0].Type != "SystemDefined" || *p.ExcludePrincipals[0].ID != principal || len(p.Permissions[0].NotActions) != 0 {
		t.Errorf("%+v", p)
	}
	subscription, err := client.NewListPager(&armauthorization.DenyAssignmentsClientListOptions{Filter: new("denyAssignmentName eq 'No deletions'")}).NextPage(t.Context())
	check(t, err)
	groups, err := client.NewListForResourceGroupPager("rg", nil).NextPage(t.Context())
	check(t, err)
	resource, err := client.NewListForResourcePager("rg", "Microsoft.ManagedIdentity", "", "userAssignedIdentities", "app", nil).NextPage(t.Context())
	check(t, err)
	scope, err := client.NewListForScopePager(group, &armauthorization.DenyAssignmentsClientListForScopeOptions{Filter: new("atScope()")}).NextPage(t.Context())
	check(t, err)
	if len(subscription.Value) != 1 || len(groups.Value) != 1 || len(resource.Value) != 1 || len(scope.Value) != 1 {
		t.Errorf("%d, %d, %d and %d deny assignments", len(subscription.Value), len(groups.Value), len(resource.Value), len(scope.Value))
	}
	_, err = w.msi(t).NewUserAssignedIdentitiesClient().Delete(t.Context(), "rg", "app", nil)
	wantRefusal(t, err, http.StatusForbidden, "DenyAssignmentAuthorizationFailed")
}
