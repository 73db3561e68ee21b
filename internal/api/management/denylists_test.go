package management_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A list of all types shows no resource whose reading a deny assignment denies, although nothing denies the list.
func TestListsOfAllTypesHideWhatIsDenied(t *testing.T) {
	s := lockStack(t)
	names := func(path string) string {
		var page struct{ Value []struct{ Name string } }
		must(t, json.Unmarshal(s.want(t, 200, "contributor", "GET", path, "").Body.Bytes(), &page))
		var found []string
		for _, r := range page.Value {
			found = append(found, r.Name)
		}
		return strings.Join(found, " ")
	}
	for _, at := range []string{"{sub}", lockedGroup, uaiPath + "app"} {
		for _, actions := range []string{`["Microsoft.ManagedIdentity/userAssignedIdentities/read"]`, `["*/READ"]`} {
			if actions == `["*/READ"]` && at != uaiPath+"app" {
				continue // denies the list itself
			}
			d := s.deny(t, at, denyBody(actions, s.to("contributor"), ""))
			for _, list := range []string{"{sub}/resources", lockedGroup + "/resources"} {
				if got := names(list + core); strings.Contains(got, "app") || !strings.Contains(got, "j") {
					t.Errorf("%s, denied %s at %s: %s", list, actions, at, got)
				}
				if got := names(list + core + "&$filter=resourceType%20eq%20'Microsoft.ManagedIdentity/userAssignedIdentities'"); got != "" {
					t.Errorf("%s of one type, denied %s at %s: %s", list, actions, at, got)
				}
			}
			s.want(t, 200, "owner", "DELETE", d+denyVersion, "")
		}
	}
	// The right to the data, an audit and a deny assignment for somebody else hide nothing.
	s.deny(t, "{sub}", denyBody(`["*/read"]`, s.to("contributor"), `,"denyAssignmentEffect":"Audit"`))
	s.deny(t, "{sub}", denyBody(`["*/read"]`, s.to("reader"), ""))
	if got := names("{sub}/resources" + core); !strings.Contains(got, "app") {
		t.Errorf("not denied: %s", got)
	}
}

// The refusal of a list and of the subscription itself names the deny assignment, as every refusal does, but only to
// callers with a role that allows the action.
func TestRefusedListsNameTheDenyAssignment(t *testing.T) {
	s := lockStack(t)
	d := s.deny(t, "{sub}", denyBody(`["*/read"]`, s.to("contributor"), ""))
	for _, path := range []string{
		"{sub}?api-version=2022-12-01", "{sub}/resourceGroups" + core, "{sub}/resources" + core, lockedGroup + "/resources" + core,
		strings.TrimSuffix(uaiPath, "/") + someVersion, "{sub}/providers/Microsoft.ManagedIdentity/userAssignedIdentities" + someVersion,
	} {
		s.deniedBy(t, d, "contributor", "GET", path, "")
	}
	s.deny(t, "{sub}", denyBody(`["*"]`, s.to("nobody"), ""))
	for _, path := range []string{"{sub}?api-version=2022-12-01", "{sub}/resourceGroups" + core} {
		if w := s.want(t, 403, "nobody", "GET", path, ""); !strings.Contains(w.Body.String(), `"AuthorizationFailed"`) {
			t.Errorf("%s without a role: %s", path, w.Body)
		}
	}
}

// A deny assignment may deny to give one role only: its condition reads the body of the request.
func TestDenyOfOneRole(t *testing.T) {
	s := lockStack(t)
	const owner, reader = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "acdd72a7-3385-48ef-bd42-f606fba81ae7"
	d := s.deny(t, "{sub}", denyBody(`["Microsoft.Authorization/roleAssignments/write"]`, s.to("owner"),
		`,"conditionVersion":"2.0","condition":"@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {`+owner+`}"`))
	for role, code := range map[string]int{owner: 403, reader: 201} {
		path := lockedGroup + "/providers/Microsoft.Authorization/roleAssignments/" + uuid.NewString() + "?api-version=2022-04-01"
		body := `{"properties":{"roleDefinitionId":"/subscriptions/` + sub + `/providers/Microsoft.Authorization/roleDefinitions/` + role + `","principalId":"` + s.callers["nobody"].ID + `"}}`
		s.want(t, code, "owner", "PUT", path, body)
		if code == 403 {
			s.deniedBy(t, d, "owner", "PUT", path, body)
		}
	}
}
