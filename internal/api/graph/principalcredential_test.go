package graph_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"midas/internal/directory"
)

func keyEntry(der []byte) string {
	return `{"@odata.type":"#microsoft.graph.keyCredential","type":"AsymmetricX509Cert","usage":"Verify","key":"` + base64.StdEncoding.EncodeToString(der) + `"}`
}

func (s *stack) credentials(t *testing.T, path, kind string) (ids []string) {
	t.Helper()
	for _, c := range s.want(t, 200, "ga", "GET", path, "")[kind].([]any) {
		ids = append(ids, c.(map[string]any)["keyId"].(string))
	}
	return ids
}

// TestServicePrincipalSecretsAuthenticateTheApplication sends the requests of az ad sp credential reset.
func TestServicePrincipalSecretsAuthenticateTheApplication(t *testing.T) {
	s := populated(t)
	secretOf := func(a answer) directory.SecretText { return directory.SecretText(a["secretText"].(string)) }
	authenticate := func(secret directory.SecretText) error {
		_, err := s.directory.Authenticate(t.Context(), tenant, s.names["a.appid"], secret)
		return err
	}
	ofApp := s.want(t, 200, "ga", "POST", "applications/{a}/addPassword", `{}`)
	one := s.want(t, 200, "ga", "POST", "servicePrincipals/{p}/addPassword", `{"passwordCredential": {"displayName": "key1", "endDateTime": "2990-05-07T06:53:38Z", "startDateTime": "2022-05-07T06:53:38Z"}}`)
	if one["hint"] != nil || one["displayName"] != "key1" || one["endDateTime"] != "2990-05-07T06:53:38Z" || one["customKeyIdentifier"] != nil ||
		!strings.HasSuffix(one["@odata.context"].(string), "/v1.0/$metadata#microsoft.graph.passwordCredential") {
		t.Errorf("%v", one)
	}
	two := s.want(t, 200, "app.rw", "POST", "servicePrincipals(appId='{a.appid}')/addPassword", `{"passwordCredential": null}`)
	for _, a := range []answer{ofApp, one, two} {
		if err := authenticate(secretOf(a)); err != nil {
			t.Error(err)
		}
	}
	if w := s.send(t, "ga", "GET", "servicePrincipals/{p}", ""); strings.Contains(w.Body.String(), string(secretOf(one))) {
		t.Error("a later response contains the secret")
	}
	if got := s.credentials(t, "servicePrincipals/{p}", "passwordCredentials"); len(got) != 2 || got[0] != one["keyId"] {
		t.Errorf("%v", got)
	}
	if got := s.credentials(t, "applications/{a}", "passwordCredentials"); len(got) != 1 || got[0] != ofApp["keyId"] {
		t.Errorf("application: %v", got)
	}
	s.want(t, 204, "ga", "POST", "servicePrincipals/{p}/removePassword", fmt.Sprintf(`{"keyId":%q}`, one["keyId"]))
	s.want(t, 400, "ga", "POST", "servicePrincipals/{p}/removePassword", fmt.Sprintf(`{"keyId":%q}`, one["keyId"]))
	s.want(t, 400, "ga", "POST", "servicePrincipals/{p}/removePassword", fmt.Sprintf(`{"keyId":%q}`, ofApp["keyId"]))
	if err := authenticate(secretOf(one)); !errors.Is(err, directory.ErrWrongSecret) {
		t.Errorf("the removed secret: %v", err)
	}
	s.want(t, 204, "ga", "PATCH", "servicePrincipals/{p}", `{"passwordCredentials":[]}`)
	if err := authenticate(secretOf(two)); !errors.Is(err, directory.ErrWrongSecret) {
		t.Errorf("the secret that PATCH has removed: %v", err)
	}
	over := s.want(t, 200, "ga", "POST", "servicePrincipals/{p}/addPassword", `{"passwordCredential": {"endDateTime": "2021-05-07T06:53:38Z", "startDateTime": "2020-05-07T06:53:38Z"}}`)
	if err := authenticate(secretOf(over)); !errors.Is(err, directory.ErrExpiredSecret) {
		t.Errorf("the expired secret: %v", err)
	}
	s.want(t, 400, "ga", "PATCH", "servicePrincipals/{p}", `{"passwordCredentials":[{"displayName":"own","secretText":"Chosen-by-the-caller-1"}]}`)
	for range 19 {
		s.want(t, 200, "ga", "POST", "servicePrincipals/{p}/addPassword", `{}`)
	}
	s.want(t, 400, "ga", "POST", "servicePrincipals/{p}/addPassword", `{}`)
}

// A secret on a service principal makes its holder the principal, so the rules are those of applications.
func TestPrincipalCredentialsNeedTheirPrivilege(t *testing.T) {
	s := populated(t)
	s.app(t, "key")
	s.assign(t, "key.sp", directory.RoleUserReadAll)
	s.app(t, "mail")
	s.assign(t, "mail.sp", "Mail.Read") // published by Microsoft Graph, and not enforced here
	s.app(t, "owner")
	s.rights[s.names["owner.sp"]] = true
	s.want(t, 204, "ga", "POST", "servicePrincipals/{key.sp}/owners/$ref", ref("member"))
	s.want(t, 204, "ga", "POST", "servicePrincipals/{p}/owners/$ref", ref("member"))
	patch := `{"keyCredentials":[` + keyEntry(certificate(t, "x")) + `]}`
	for _, r := range []struct {
		status       int
		caller, path string
	}{
		{200, "member", "servicePrincipals/{p}"}, // the owner
		{200, "appadmin", "servicePrincipals/{p}"},
		{403, "useradmin", "servicePrincipals/{p}"},
		{403, "app.r", "servicePrincipals/{p}"},
		{403, "app.own", "servicePrincipals/{p}"},
		{403, "member", "servicePrincipals/{key.sp}"},
		{403, "appadmin", "servicePrincipals/{key.sp}"},
		{403, "app.rw", "servicePrincipals/{mail.sp}"},
		{403, "appadmin", "servicePrincipals/{owner.sp}"},
		{403, "app.rw", "servicePrincipals/{ga}"},
		{403, "ga", "servicePrincipals/{graph}"},
		{200, "ga", "servicePrincipals/{key.sp}"},
		{400, "ga", "servicePrincipals/{nobody}"}, // a managed identity
	} {
		if r.path == "servicePrincipals/{ga}" {
			r.status = 404
		}
		s.want(t, r.status, r.caller, "POST", r.path+"/addPassword", `{}`)
		patched := r.status
		if patched == 200 {
			patched = 204
		}
		s.want(t, patched, r.caller, "PATCH", r.path, patch)
	}
	stranger := s.want(t, 404, "stranger", "POST", "servicePrincipals/{p}/addPassword", `{}`)
	if stranger.error() != "Request_ResourceNotFound" {
		t.Errorf("%v", stranger)
	}
}

// proof signs a proof of possession as Microsoft Graph's documentation describes it.
func proof(t *testing.T, der []byte, key *rsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	sum := sha1.Sum(der)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key},
		(&jose.SignerOptions{}).WithHeader("x5t", base64.RawURLEncoding.EncodeToString(sum[:])))
	must(t, err)
	payload, err := json.Marshal(claims)
	must(t, err)
	signed, err := signer.Sign(payload)
	must(t, err)
	raw, err := signed.CompactSerialize()
	must(t, err)
	return raw
}

// An application renews its certificate itself: it needs no privilege, but a proof.
func TestKeysAreRenewedWithAProof(t *testing.T) {
	s := populated(t)
	s.names["self"] = s.names["p"]
	s.add(t, "self", tenant, s.names["p"], "")
	der, key := certificateAndKey(t, "one")
	next, _ := certificateAndKey(t, "two")
	_, foreign := certificateAndKey(t, "three")
	for _, path := range []string{"applications/{a}", "servicePrincipals/{p}"} {
		s.want(t, 204, "ga", "PATCH", path, `{"keyCredentials":[`+keyEntry(der)+`]}`)
		_, id, _ := strings.Cut(s.fill(path), "/")
		now := time.Now()
		good := map[string]any{"aud": "00000002-0000-0000-c000-000000000000", "iss": id, "nbf": now.Unix() - 5, "exp": now.Unix() + 590}
		with := func(name string, value any) map[string]any {
			changed := map[string]any{}
			for n, v := range good {
				changed[n] = v
			}
			if changed[name] = value; value == nil {
				delete(changed, name)
			}
			return changed
		}
		body := func(proof string) string {
			return fmt.Sprintf(`{"keyCredential":%s,"passwordCredential":null,"proof":%q}`, keyEntry(next), proof)
		}
		for name, bad := range map[string]string{
			"none": "", "no token": "x.y.z", "another audience": proof(t, der, key, with("aud", "https://management.azure.com")),
			"another issuer": proof(t, der, key, with("iss", s.names["a.appid"])), "another key": proof(t, der, foreign, good),
			"an unknown certificate": proof(t, next, foreign, good), "no beginning": proof(t, der, key, with("nbf", nil)),
			"no end": proof(t, der, key, with("exp", nil)), "ends before it begins": proof(t, der, key, map[string]any{"aud": good["aud"], "iss": id, "nbf": now.Unix() + 100, "exp": now.Unix() - 100}), "too long": proof(t, der, key, with("exp", now.Unix()+3600)),
			"over": proof(t, der, key, map[string]any{"aud": good["aud"], "iss": id, "nbf": now.Unix() - 4000, "exp": now.Unix() - 3500}),
		} {
			for _, caller := range []string{"self", "ga"} {
				if got := s.want(t, 401, caller, "POST", path+"/addKey", body(bad)).error(); got != "Authentication_MissingOrMalformed" {
					t.Errorf("%s: %s", name, got)
				}
			}
		}
		valid := proof(t, der, key, good)
		s.want(t, 403, "member", "POST", path+"/addKey", body(valid))
		s.want(t, 403, "nobody", "POST", path+"/addKey", body(valid))
		s.want(t, 400, "self", "POST", path+"/addKey", fmt.Sprintf(`{"keyCredential":{"type":"Symmetric","usage":"Sign","key":"eA=="},"proof":%q}`, valid))
		made := s.want(t, 200, "self", "POST", path+"/addKey", body(valid))
		if made["displayName"] != "CN=two" || made["key"] != nil || made["type"] != "AsymmetricX509Cert" {
			t.Errorf("%v", made)
		}
		s.want(t, 400, "self", "POST", path+"/addKey", body(valid)) // it is there
		graphAudience := proof(t, der, key, with("aud", []string{directory.GraphAppID}))
		s.want(t, 401, "self", "POST", path+"/removeKey", fmt.Sprintf(`{"keyId":%q}`, made["keyId"]))
		s.want(t, 204, "self", "POST", path+"/removeKey", fmt.Sprintf(`{"keyId":%q,"proof":%q}`, made["keyId"], graphAudience))
		s.want(t, 400, "self", "POST", path+"/removeKey", fmt.Sprintf(`{"keyId":%q,"proof":%q}`, made["keyId"], graphAudience))
		if got := s.credentials(t, path, "keyCredentials"); len(got) != 1 {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// Certificates of one object differ in their ids, and have a validity.
func TestKeyCredentialsAreChecked(t *testing.T) {
	s := populated(t)
	one, two := certificate(t, "one"), certificate(t, "two")
	with := func(der []byte, more string) string {
		return strings.TrimSuffix(keyEntry(der), "}") + "," + more + "}"
	}
	id := `"keyId":"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"`
	later, sooner := time.Now().Add(40*time.Minute).UTC().Format(time.RFC3339), time.Now().Add(20*time.Minute).UTC().Format(time.RFC3339)
	for _, path := range []string{"applications/{a}", "servicePrincipals/{p}"} {
		s.want(t, 204, "ga", "PATCH", path, `{"keyCredentials":[`+with(one, id)+`]}`)
		for name, list := range map[string]string{
			"two with one id":             with(one, id) + "," + with(two, strings.Replace(id, "aaaaaaaa", "AAAAAAAA", 1)),
			"a new one with a kept id":    `{` + id + `},` + with(two, id),
			"one that is kept twice":      `{` + id + `},{` + id + `}`,
			"an end before the beginning": with(two, `"startDateTime":"`+later+`","endDateTime":"`+sooner+`"`),
			"an end before today's":       with(two, `"endDateTime":"1999-01-01T00:00:00Z"`),
		} {
			if got := s.want(t, 400, "ga", "PATCH", path, `{"keyCredentials":[`+list+`]}`); got.error() != "Request_BadRequest" {
				t.Errorf("%s: %v", name, got)
			}
		}
		if got := s.credentials(t, path, "keyCredentials"); len(got) != 1 {
			t.Errorf("%s: %v", path, got)
		}
		w := s.send(t, "ga", "PATCH", path, `{"keyCredentials":[`+keyEntry([]byte("x"))+`]}`)
		if strings.Contains(w.Body.String(), "directory:") {
			t.Errorf("the error names a package: %s", w.Body)
		}
	}
}

func TestCreatorsOwnTheirApplications(t *testing.T) {
	s := populated(t)
	owners := func(path string) []string {
		found := s.want(t, 200, "ga", "GET", path+"/owners", "").values("id")
		slices.Sort(found)
		return found
	}
	made := func(caller, path, body string) answer { return s.want(t, 201, caller, "POST", path, body) }
	mine := made("appadmin", "applications", `{"displayName":"mine"}`)
	if got := owners("applications/" + mine["id"].(string)); !slices.Equal(got, []string{s.names["appadmin"]}) {
		t.Errorf("of a person's application: %v", got)
	}
	sp := made("appadmin", "servicePrincipals", fmt.Sprintf(`{"appId":%q}`, mine["appId"]))
	if got := owners("servicePrincipals/" + sp["id"].(string)); len(got) != 0 {
		t.Errorf("of a person's service principal: %v", got)
	}
	both := made("appadmin", "applications", s.fill(`{"displayName":"both","owners@odata.bind":["https://graph.microsoft.com/v1.0/users/{u}","https://graph.microsoft.com/v1.0/users/{appadmin}"]}`))
	if got := owners("applications/" + both["id"].(string)); len(got) != 2 {
		t.Errorf("of an application with owners: %v", got)
	}
	if got := owners("groups/{g}"); len(got) != 0 {
		t.Errorf("of a group: %v", got)
	}
	if got := s.want(t, 200, "ga", "GET", "users/{appadmin}/ownedObjects/microsoft.graph.application", "").values("displayName"); len(got) != 2 {
		t.Errorf("owned objects: %v", got)
	}
	// Application.ReadWrite.OwnedBy creates applications and manages what it has created.
	own := made("app.own", "applications", `{"displayName":"own"}`)
	ownSP := made("app.own", "servicePrincipals", fmt.Sprintf(`{"appId":%q}`, own["appId"]))
	for _, path := range []string{"applications/" + own["id"].(string), "servicePrincipals/" + ownSP["id"].(string)} {
		if got := owners(path); !slices.Equal(got, []string{s.names["app.own"]}) {
			t.Errorf("%s: %v", path, got)
		}
		s.want(t, 200, "app.own", "POST", path+"/addPassword", `{}`)
		s.want(t, 204, "app.own", "PATCH", path, `{"notes":"x"}`)
	}
	s.want(t, 403, "app.own", "PATCH", "applications/{a}", `{"notes":"x"}`)
	alone := made("ga", "applications", `{"displayName":"alone"}`)
	s.want(t, 403, "app.own", "POST", "servicePrincipals", fmt.Sprintf(`{"appId":%q}`, alone["appId"]))
	s.want(t, 403, "app.r", "POST", "applications", `{"displayName":"x"}`)
	s.want(t, 204, "app.own", "DELETE", "applications/"+own["id"].(string), "")
}

// The permissions that Microsoft Graph and Azure Resource Manager publish have Microsoft's ids.
func TestPublishedPermissionsHaveMicrosoftsIDs(t *testing.T) {
	s := newStack(t)
	list := func(appID, kind string) map[string]string {
		ids, seen := map[string]string{}, map[string]bool{}
		for _, v := range s.want(t, 200, "member", "GET", "servicePrincipals(appId='"+appID+"')", "")[kind].([]any) {
			p := v.(map[string]any)
			id, value := p["id"].(string), p["value"].(string)
			if ids[value] != "" || seen[id] || p["isEnabled"] != true || p["displayName"] == "" || p["type"] == "" {
				t.Errorf("%v", p)
			}
			ids[value], seen[id] = id, true
		}
		return ids
	}
	scopes, roles := list(directory.GraphAppID, "oauth2PermissionScopes"), list(directory.GraphAppID, "appRoles")
	if len(scopes) < 100 || len(roles) < 50 {
		t.Errorf("%d delegated permissions and %d app roles", len(scopes), len(roles))
	}
	for name, want := range map[string]string{
		"User.Read": "e1fe6dd8-ba31-4d61-89e7-88639da4683d", "Mail.Send": "e383f46e-2787-4529-855e-0e479a3ffac0",
		"UserAuthenticationMethod.ReadWrite.All": "b7887744-6746-4312-813d-72daeaee7e2d", "Sites.Selected": "f89c84ef-20d0-4b54-87e9-02e856d66d53",
		"Directory.AccessAsUser.All": "0e263e50-5827-48a4-b97c-d940288653c7", "GroupMember.ReadWrite.All": "f81125ac-d3b7-4573-a3b2-7099cc39df9e",
	} {
		if scopes[name] != want {
			t.Errorf("%s: %s", name, scopes[name])
		}
	}
	for name, want := range map[string]string{
		"User.Read.All": "df021288-bdef-4463-88db-98f22de89214", "Mail.Send": "b633e1c5-b582-4048-a93e-9f11b44c7e96",
		"Application.ReadWrite.OwnedBy": "18a4783c-866b-4cc7-a460-3d5e5662c884", "GroupMember.Read.All": "98830695-27a2-44f7-8c18-0c3ebc9698f6",
		"Device.ReadWrite.All": "1138cb37-bd11-4084-a2b7-9f71582aeddb", "UserAuthenticationMethod.Read.All": "38d9df27-64da-44fd-b7c5-a6fbac20248f",
		"Policy.ReadWrite.Authorization": "fb221be6-99f2-473f-bd32-01c6a0e9ca3b", "Group.Create": "bf7b1a76-6e77-406b-b258-bf5c7720e98f",
	} {
		if roles[name] != want {
			t.Errorf("%s: %s", name, roles[name])
		}
	}
	if got := list(directory.ARMAppID, "oauth2PermissionScopes"); len(got) != 1 || got["user_impersonation"] != "41094075-9dad-400e-a0bd-54e686782033" {
		t.Errorf("Azure Resource Manager: %v", got)
	}
}

// A managed identity shows a certificate, which is renewed, and a name by which it is found.
func TestManagedIdentityCertificateIsRenewed(t *testing.T) {
	now := time.Now()
	s := newStackAt(t, func() time.Time { return now })
	look := func() (map[string]any, string) {
		p := s.want(t, 200, "ga", "GET", "servicePrincipals/{nobody}", "")
		names := p["servicePrincipalNames"].([]any)
		if len(names) != 2 || names[0] != p["appId"] {
			t.Fatalf("%v", names)
		}
		return p["keyCredentials"].([]any)[0].(map[string]any), names[1].(string)
	}
	first, name := look()
	if again, _ := look(); again["keyId"] != first["keyId"] {
		t.Error("the certificate differs between two requests")
	}
	now = now.AddDate(0, 0, 47)
	second, same := look()
	start, err := time.Parse(time.RFC3339, second["startDateTime"].(string))
	must(t, err)
	end, err := time.Parse(time.RFC3339, second["endDateTime"].(string))
	must(t, err)
	if second["keyId"] == first["keyId"] || second["customKeyIdentifier"] == first["customKeyIdentifier"] || same != name ||
		end.Sub(start) != 90*24*time.Hour || now.Before(start) || now.After(end) {
		t.Errorf("%v, then %v", first, second)
	}
	found := s.want(t, 200, "ga", "GET", "servicePrincipals"+query("$filter", "servicePrincipalNames/any(c:c eq '"+name+"')"), "")
	if got := found.values("id"); !slices.Equal(got, []string{s.names["nobody"]}) {
		t.Errorf("found by name: %v", got)
	}
}
