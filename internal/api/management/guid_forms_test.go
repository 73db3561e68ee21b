package management_test

import (
	"net/url"
	"strings"
	"testing"
)

// Resource Manager reads GUIDs as .NET does, in bodies and in filters. Answers have the usual form.
func TestGUIDsOfBodiesAndFiltersTakeEveryForm(t *testing.T) {
	const roles, version = "{sub}/providers/Microsoft.Authorization/", "?api-version=2022-04-01"
	s := newStack(t)
	id := s.callers["nobody"].ID
	bare := strings.ReplaceAll(id, "-", "")
	for i, form := range []string{"{" + id + "}", "(" + strings.ToUpper(id) + ")", bare, strings.ToUpper(bare), " " + id + " "} {
		name := "aaaaaaaa-0000-0000-0000-00000000000" + string(rune('1'+i))
		definition := strings.ReplaceAll("acdd72a7-3385-48ef-bd42-f606fba81ae7", "-", "")
		body := `{"properties":{"roleDefinitionId":"/subscriptions/` + sub + `/providers/Microsoft.Authorization/roleDefinitions/` + definition + `","principalId":"` + form + `"}}`
		w := s.want(t, 201, "owner", "PUT", roles+"roleAssignments/"+name+version, body)
		if !strings.Contains(w.Body.String(), `"principalId":"`+id+`"`) || !strings.Contains(w.Body.String(), `roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"`) {
			t.Errorf("%q: %s", form, w.Body)
		}
		for _, filter := range []string{"principalId eq '" + form + "'", "assignedTo('" + form + "')"} {
			w := s.want(t, 200, "owner", "GET", roles+"roleAssignments"+version+"&$filter="+url.QueryEscape(filter), "")
			if !strings.Contains(w.Body.String(), name) {
				t.Errorf("%s: %s", filter, w.Body)
			}
		}
		s.want(t, 200, "owner", "DELETE", roles+"roleAssignments/"+name+version, "")
	}
	s.want(t, 400, "owner", "GET", roles+"roleAssignments"+version+"&$filter="+url.QueryEscape("principalId eq '{"+id+"'"), "")
}
