package graph_test

import (
	"strings"
	"testing"
)

// A collection that is cast to a type has the type's context, and its objects do not repeat the type.
func TestCastCollectionsHaveTheTypesContext(t *testing.T) {
	s := populated(t)
	s.want(t, 204, "ga", "POST", "groups/{g}/members/$ref", ref("member"))
	s.want(t, 204, "ga", "POST", "applications/{a}/owners/$ref", ref("member"))
	for path, context := range map[string]string{
		"groups/{g}/members/microsoft.graph.user?$select=displayName,id":                           "#users(displayName,id)",
		"groups/{g}/transitiveMembers/microsoft.graph.user":                                        "#users",
		"users/{member}/memberOf/microsoft.graph.group?$select=id":                                 "#groups(id)",
		"users/{member}/transitiveMemberOf/microsoft.graph.group":                                  "#groups",
		"applications/{a}/owners/microsoft.graph.user":                                             "#users",
		"users/{member}/ownedObjects/microsoft.graph.application?$select=id,appId,publisherDomain": "#applications(id,appId,publisherDomain)",
		"users/{member}/ownedObjects/microsoft.graph.servicePrincipal":                             "#servicePrincipals",
	} {
		w := s.send(t, "ga", "GET", path, "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), "$metadata"+context+`"`) || strings.Contains(w.Body.String(), "@odata.type") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	for path, want := range map[string]string{
		"groups/{g}/members/microsoft.graph.user/$count": "1", "groups/{g}/members/microsoft.graph.group/$count": "0",
		"groups/{g}/transitiveMembers/microsoft.graph.user/$count": "1", "users/{member}/memberOf/microsoft.graph.group/$count": "1",
		"users/{member}/transitiveMemberOf/microsoft.graph.group/$count": "1", "applications/{a}/owners/microsoft.graph.user/$count": "2",
		"users/{member}/ownedObjects/microsoft.graph.application/$count": "1",
	} {
		if w := s.send(t, "ga", "GET", path, "", "ConsistencyLevel: eventual"); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	s.want(t, 400, "ga", "GET", "groups/{g}/members/microsoft.graph.user?$select=identifierUris", "") // of another type
	s.want(t, 400, "ga", "GET", "groups/{g}/members/microsoft.graph.nonsense/$count", "")
}

// Microsoft's documentation writes startsWith and endsWith; Azure CLI writes startswith.
func TestFunctionsOfFiltersInAnyCase(t *testing.T) {
	s := populated(t)
	for _, filter := range []string{
		"startsWith(displayName,'memb')", "endsWith(userPrincipalName,'MEMBER@midas.test')", "startswith(displayName,'memb') AND accountEnabled eq true",
	} {
		if got := s.want(t, 200, "ga", "GET", "users"+query("$filter", filter), "").values("displayName"); len(got) != 1 || got[0] != "member" {
			t.Errorf("%s: %v", filter, got)
		}
	}
}

// What is not served is refused, never answered with something else.
func TestUnservedQueriesOfGraphAreRefused(t *testing.T) {
	s := populated(t)
	s.want(t, 400, "ga", "POST", "$batch", `{"requests":[{"id":"1","method":"GET","url":"/users"}]}`)
	s.want(t, 400, "ga", "GET", "applications/{a}?$expand=owners", "")
	s.want(t, 404, "ga", "GET", "applications/delta", "")
}
