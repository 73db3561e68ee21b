package login_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"midas/internal/directory"
	"midas/internal/store"
)

// configure sets properties of an application by which it configures its tokens.
func (f *fixture) configure(t *testing.T, app string, properties map[string]string) {
	t.Helper()
	f.update(t, func(tx store.Tx) error {
		a, err := f.Directory.ApplicationByAppID(tx, tenant, app)
		if err != nil {
			return err
		}
		a.Extra = map[string]json.RawMessage{}
		for name, value := range properties {
			a.Extra[name] = json.RawMessage(value)
		}
		return f.Directory.UpdateApplication(tx, a)
	})
}

// addGroups makes groups: the first has the members, and each other group has the one before it.
func (f *fixture) addGroups(t *testing.T, prefix string, n int, members ...string) (ids []string) {
	t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%04d", prefix, i)
		f.update(t, func(tx store.Tx) error {
			if err := f.Directory.CreateGroup(tx, directory.Group{ID: id, TenantID: tenant, DisplayName: "Name of " + id}); err != nil {
				return err
			}
			for _, m := range members {
				if err := f.Directory.AddMember(tx, tenant, id, m); err != nil {
					return err
				}
			}
			return nil
		})
		ids, members = append(ids, id), []string{id}
	}
	return ids
}

// tokensOf returns the claims of Alice's access token for apiApp, of her id_token at webApp, and of webApp's own
// token for apiApp.
func (f *fixture) tokensOf(t *testing.T) map[string]map[string]any {
	t.Helper()
	answer, _ := f.granted(t, f.post(tokenV2, passwordForm("client_id", webApp, "client_secret", secret, "scope", "api://api/Things.Read openid",
		"claims", `{"access_token":{"xms_cc":{"values":["CP1"]}}}`)))
	own, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default")))
	return map[string]map[string]any{
		"access": payload(t, answer["access_token"]), "id": payload(t, answer["id_token"]), "application": payload(t, own["access_token"]),
	}
}

// TestGroupsInTokens checks groups and wids for each value of groupMembershipClaims. The access token follows
// the registration of the resource and the id_token that of the client.
func TestGroupsInTokens(t *testing.T) {
	f := newFixtureWithUsers(t)
	ids := f.addGroups(t, "g", 2, aliceID, "sp-"+webApp)
	f.addGroups(t, "unrelated", 1, "sp-"+apiApp)
	for _, app := range []string{apiApp, webApp} {
		f.update(t, func(tx store.Tx) error {
			for _, id := range ids { // Alice is a direct member of the first only
				if _, err := f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: id, ResourceID: "sp-" + app, AppRoleID: directory.DefaultAppRole}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	all, direct := []any{ids[0], ids[1]}, []any{ids[0]}
	member := []any{"b79fbf4d-3ef9-4689-8143-76b194e85509", directory.GlobalAdministrator}
	for value, want := range map[string]struct{ groups, wids any }{
		`null`:                             {},
		`"None"`:                           {},
		`"SecurityGroup"`:                  {groups: all},
		`"ApplicationGroup"`:               {groups: direct},
		`"DirectoryRole"`:                  {wids: member},
		`"All"`:                            {groups: all, wids: member},
		`"SecurityGroup, DirectoryRole"`:   {groups: all, wids: member},
		`"ApplicationGroup,DirectoryRole"`: {groups: direct, wids: member},
		`"ApplicationGroup,SecurityGroup"`: {groups: all},
		`["SecurityGroup"]`:                {},
	} {
		t.Run(value, func(t *testing.T) {
			f.configure(t, apiApp, map[string]string{"groupMembershipClaims": value})
			f.configure(t, webApp, nil)
			got := f.tokensOf(t)
			if diff := cmp.Diff([]any{want.groups, want.wids, want.groups, nil, nil}, []any{
				got["access"]["groups"], got["access"]["wids"], got["application"]["groups"], got["id"]["groups"], got["id"]["wids"],
			}); diff != "" {
				t.Errorf("of the resource (-want +got):\n%s", diff)
			}
			f.configure(t, apiApp, nil)
			f.configure(t, webApp, map[string]string{"groupMembershipClaims": value})
			got = f.tokensOf(t)
			if diff := cmp.Diff([]any{want.groups, want.wids, nil, nil, nil}, []any{
				got["id"]["groups"], got["id"]["wids"], got["access"]["groups"], got["access"]["wids"], got["application"]["groups"],
			}); diff != "" {
				t.Errorf("of the client (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGroupsInTokensAreThoseOfNow checks that a warm token of an application does not outlive a membership.
func TestGroupsInTokensAreThoseOfNow(t *testing.T) {
	f := newFixtureWithUsers(t)
	ids := f.addGroups(t, "g", 1, "sp-"+webApp)
	f.configure(t, apiApp, map[string]string{"groupMembershipClaims": `"All"`})
	if got := f.tokensOf(t)["application"]["groups"]; fmt.Sprint(got) != "[g-0000]" {
		t.Fatalf("groups %v", got)
	}
	f.update(t, func(tx store.Tx) error { return f.Directory.RemoveMember(tx, tenant, ids[0], "sp-"+webApp) })
	if got := f.tokensOf(t)["application"]["groups"]; got != nil {
		t.Errorf("groups %v after the membership has ended", got)
	}
}

// TestMoreGroupsThanFitAreASource has 200 and 201 groups.
func TestMoreGroupsThanFitAreASource(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.addGroups(t, "g", 200, aliceID, "sp-"+webApp)
	for _, app := range []string{apiApp, webApp} {
		f.configure(t, app, map[string]string{"groupMembershipClaims": `"SecurityGroup"`})
	}
	for kind, claims := range f.tokensOf(t) {
		if groups, _ := claims["groups"].([]any); len(groups) != 200 || claims["_claim_names"] != nil {
			t.Errorf("%s: %d groups, names %v", kind, len(groups), claims["_claim_names"])
		}
	}
	f.addGroups(t, "more", 1, aliceID, "sp-"+webApp)
	for kind, claims := range f.tokensOf(t) {
		source := origin + "/v1.0/users/" + aliceID + "/getMemberObjects"
		if kind == "application" {
			source = origin + "/v1.0/servicePrincipals/sp-" + webApp + "/getMemberObjects"
		}
		want := []any{nil, map[string]any{"groups": "src1"}, map[string]any{"src1": map[string]any{"endpoint": source}}}
		if diff := cmp.Diff(want, []any{claims["groups"], claims["_claim_names"], claims["_claim_sources"]}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", kind, diff)
		}
	}
}

// TestFormsOfGroups checks the additional properties of the optional claim groups.
func TestFormsOfGroups(t *testing.T) {
	f := newFixtureWithUsers(t)
	ids := f.addGroups(t, "g", 1, aliceID, "sp-"+webApp)
	f.update(t, func(tx store.Tx) error {
		_, err := f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: ids[0], ResourceID: "sp-" + apiApp, AppRoleID: directory.DefaultAppRole})
		return err
	})
	id, name := []any{"g-0000"}, []any{"Name of g-0000"}
	for _, test := range []struct {
		claims, properties string
		groups, roles      any
	}{
		{"SecurityGroup", `[]`, id, nil},
		{"SecurityGroup", `["emit_as_roles"]`, nil, id},
		{"SecurityGroup", `["cloud_displayname"]`, id, nil}, // whoever may create a group chooses its name
		{"ApplicationGroup", `["cloud_displayname"]`, name, nil},
		{"ApplicationGroup", `["cloud_displayname","emit_as_roles"]`, nil, name},
		{"ApplicationGroup", `["sam_account_name"]`, id, nil},
		{"None", `["emit_as_roles"]`, nil, nil},
	} {
		f.configure(t, apiApp, map[string]string{
			"groupMembershipClaims": `"` + test.claims + `"`, "optionalClaims": `{"accessToken":[{"name":"groups","additionalProperties":` + test.properties + `}]}`,
		})
		got := f.tokensOf(t)
		for _, kind := range []string{"access", "application"} {
			if diff := cmp.Diff([]any{test.groups, test.roles}, []any{got[kind]["groups"], got[kind]["roles"]}); diff != "" {
				t.Errorf("%s %s %s (-want +got):\n%s", kind, test.claims, test.properties, diff)
			}
		}
	}
}

// TestLongNamesOfGroupsAreOverage has fewer groups than a token may name, with names that would make the token
// longer than servers read.
func TestLongNamesOfGroupsAreOverage(t *testing.T) {
	f := newFixtureWithUsers(t)
	var ids []string
	for i := range 60 {
		ids = append(ids, f.addGroups(t, fmt.Sprint("g", i), 1, aliceID, "sp-"+webApp)...)
	}
	for _, id := range ids {
		f.update(t, func(tx store.Tx) error {
			g, err := f.Directory.Group(tx, tenant, id)
			if err != nil {
				return err
			}
			g.DisplayName = strings.Repeat("\u7fa4", 240) + id
			if err := f.Directory.UpdateGroup(tx, g); err != nil {
				return err
			}
			_, err = f.Directory.AssignAppRole(tx, directory.AppRoleAssignment{TenantID: tenant, PrincipalID: id, ResourceID: "sp-" + apiApp, AppRoleID: directory.DefaultAppRole})
			return err
		})
	}
	for _, properties := range []string{`["cloud_displayname"]`, `["cloud_displayname","emit_as_roles"]`} {
		f.configure(t, apiApp, map[string]string{
			"groupMembershipClaims": `"ApplicationGroup"`, "optionalClaims": `{"accessToken":[{"name":"groups","additionalProperties":` + properties + `}]}`,
		})
		got := f.tokensOf(t)
		for _, kind := range []string{"access", "application"} {
			claims := got[kind]
			want := []any{nil, nil, map[string]any{"groups": "src1"}}
			if diff := cmp.Diff(want, []any{claims["groups"], claims["roles"], claims["_claim_names"]}); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", kind, properties, diff)
			}
		}
	}
}

// TestOptionalClaims asks for every optional claim in each kind of token.
func TestOptionalClaims(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.update(t, func(tx store.Tx) error {
		u, err := f.Directory.User(tx, tenant, aliceID)
		u.Mail, u.PreferredLanguage = "alice@"+strings.ToUpper(domain), "de-CH"
		u.Extra = map[string]json.RawMessage{"country": json.RawMessage(`"ch"`)}
		if err == nil {
			err = f.Directory.UpdateUser(tx, u)
		}
		return err
	})
	mail := "alice@" + strings.ToUpper(domain)
	want := map[string]any{
		"acct": 0.0, "auth_time": float64(start.Unix()), "ctry": "CH", "email": mail, "xms_edov": true,
		"verified_primary_email": []any{mail}, "family_name": "Liddell", "given_name": "Alice", "ipaddr": "192.0.2.1",
		"login_hint": alice, "preferred_username": alice, "upn": alice, "xms_pl": "de-CH", "xms_cc": []any{"CP1"},
	}
	var asked []directory.OptionalClaim
	for name := range want {
		asked = append(asked, directory.OptionalClaim{Name: name})
	}
	asked = append(asked, directory.OptionalClaim{Name: "onprem_sid"}, directory.OptionalClaim{Name: "oid"}, directory.OptionalClaim{Name: "midas_iat"})
	slices.SortFunc(asked, func(a, b directory.OptionalClaim) int { return strings.Compare(a.Name, b.Name) })
	list, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	plain := f.tokensOf(t)
	f.configure(t, apiApp, map[string]string{"optionalClaims": `{"accessToken":` + string(list) + `}`})
	f.configure(t, webApp, map[string]string{"optionalClaims": `{"idToken":` + string(list) + `}`})
	got := f.tokensOf(t)
	delete(want, "sub")
	added := func(kind string) map[string]any {
		more := map[string]any{}
		for name, value := range got[kind] {
			if plain[kind][name] == nil || want[name] != nil {
				more[name] = value
			}
		}
		return more
	}
	if diff := cmp.Diff(want, added("access")); diff != "" {
		t.Errorf("access token (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{}, added("application")); diff != "" {
		t.Errorf("the application's own token (-want +got):\n%s", diff)
	}
	delete(want, "xms_cc") // of access tokens only
	if diff := cmp.Diff(want, added("id")); diff != "" {
		t.Errorf("id_token (-want +got):\n%s", diff)
	}
	for _, name := range []string{"oid", "tid", "iss", "exp"} {
		if got["access"][name] != plain["access"][name] {
			t.Errorf("%s has changed to %v", name, got["access"][name])
		}
	}
	// The same claims with a source are extension properties of users, and there are none.
	for i := range asked {
		user := "user"
		asked[i].Source = &user
	}
	list, _ = json.Marshal(asked)
	f.configure(t, apiApp, map[string]string{"optionalClaims": `{"accessToken":` + string(list) + `}`})
	if got := f.tokensOf(t)["access"]; got["ipaddr"] != nil || got["login_hint"] != nil {
		t.Errorf("claims with a source: %v", got)
	}
}

// TestAudienceAsClientID checks the optional claim aud with use_guid.
func TestAudienceAsClientID(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.configure(t, apiApp, map[string]string{"optionalClaims": `{"accessToken":[{"name":"aud","additionalProperties":["use_guid"]}]}`})
	for kind, claims := range f.tokensOf(t) {
		if want := map[string]string{"access": apiApp, "application": apiApp, "id": webApp}[kind]; claims["aud"] != want {
			t.Errorf("%s: aud %v, want %s", kind, claims["aud"], want)
		}
	}
}

// TestCapabilitiesOfApplications checks xms_cc in an application's own token, and that clients with different
// capabilities do not share a token.
func TestCapabilitiesOfApplications(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.configure(t, apiApp, map[string]string{"optionalClaims": `{"accessToken":[{"name":"xms_cc"}]}`})
	for claims, want := range map[string]any{
		"": nil, "x": nil, `{"access_token":{"xms_cc":{"values":["CP1"]}}}`: []any{"CP1"}, `{"access_token":{"xms_cc":{"values":["cp1","x"]}}}`: []any{"cp1", "x"},
		`{"access_token":{"xms_cc":{"values":["` + strings.Repeat("a", 33) + `"]}}}`: nil, `{"access_token":{"xms_cc":{"values":7}}}`: nil,
	} {
		answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "scope", "api://api/.default", "claims", claims)))
		if diff := cmp.Diff(want, payload(t, answer["access_token"])["xms_cc"]); diff != "" {
			t.Errorf("%q (-want +got):\n%s", claims, diff)
		}
	}
}
