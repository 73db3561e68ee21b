package lab_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func setBody(r *http.Request, text string) {
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
}

// guid is a GUID that ends in a number.
func guid(n int) string { return fmt.Sprintf("2000000a-0000-4000-8000-%012d", n) }

func TestNextObjectsGetTheReservedIDs(t *testing.T) {
	l := start(t)
	l.create("other")
	vm := l.group() + "/providers/Microsoft.Compute/virtualMachines/vm1"
	l.lab("PUT", "/ids", fmt.Sprintf(`{
		"identities":[{"resourceId":%q,"principalId":%q,"clientId":%q},{"resourceId":%q,"principalId":%q,"clientId":%q}],
		"users":[{"userPrincipalName":"Alice@midas.localhost","id":%q}],
		"groups":[{"displayName":"readers","id":%q}],
		"applications":[{"displayName":"web","id":%q,"appId":%q}],
		"servicePrincipals":[{"appId":%q,"id":%q}]}`,
		strings.ToUpper(l.identity("app")), strings.ToUpper(guid(1)), guid(2), vm, guid(3), guid(4), guid(5), guid(6), guid(7), guid(8), guid(8), guid(9)), 200)
	if got := l.lab("GET", "", "", 200).at(t, "reservedIds"); got != 6.0 {
		t.Errorf("%v ids are reserved", got)
	}
	putIdentity := func() (string, string) {
		a := l.send("PUT", l.identity("app")+identityVersion, `{"location":"eastus"}`, bearer(l.Token(t, "https://management.azure.com/")))
		return a.at(t, "properties", "principalId").(string), a.at(t, "properties", "clientId").(string)
	}
	if p, c := putIdentity(); p != guid(1) || c != guid(2) {
		t.Errorf("the identity has %s and %s", p, c)
	}
	const vmVersion = "?api-version=2024-03-01"
	if a := l.arm("PUT", vm+vmVersion, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`, 201); a.at(t, "identity", "principalId") != guid(3) {
		t.Errorf("the machine has %s", a.text)
	}
	user := `{"accountEnabled":true,"displayName":"Alice","mailNickname":"alice","userPrincipalName":"alice@midas.localhost","passwordProfile":{"password":"Correct-horse-1"}}`
	if a := l.arm("POST", "/v1.0/users", user, 201); a.at(t, "id") != guid(5) {
		t.Errorf("the user has %s", a.text)
	}
	group := `{"displayName":"readers","mailNickname":"readers","mailEnabled":false,"securityEnabled":true}`
	if a := l.arm("POST", "/v1.0/groups", group, 201); a.at(t, "id") != guid(6) {
		t.Errorf("the group has %s", a.text)
	}
	if a := l.arm("POST", "/v1.0/groups", group, 201); a.at(t, "id") == guid(6) {
		t.Error("two groups have one id")
	}
	if a := l.arm("POST", "/v1.0/applications", `{"displayName":"web"}`, 201); a.at(t, "id") != guid(7) || a.at(t, "appId") != guid(8) {
		t.Errorf("the application has %s", a.text)
	}
	if a := l.arm("POST", "/v1.0/servicePrincipals", `{"appId":"`+guid(8)+`"}`, 201); a.at(t, "id") != guid(9) {
		t.Errorf("the service principal has %s", a.text)
	}
	// As in Azure, what is created again is another principal.
	l.arm("DELETE", l.identity("app")+identityVersion, "", 200)
	if p, _ := putIdentity(); p == guid(1) {
		t.Error("an identity that was deleted gets its old principal again")
	}
	l.arm("PATCH", vm+vmVersion, `{"identity":{"type":"None"}}`, 200)
	if a := l.arm("PUT", vm+vmVersion, `{"location":"eastus","identity":{"type":"SystemAssigned"}}`, 200); a.at(t, "identity", "principalId") == guid(3) {
		t.Error("a system-assigned identity that was deleted gets its old principal again")
	}
	if got := l.lab("GET", "", "", 200).at(t, "reservedIds"); got != 0.0 {
		t.Errorf("%v ids are still reserved", got)
	}
}

func TestReservedIDsAreUnique(t *testing.T) {
	l := start(t)
	principal := l.create("app")
	user := func(name, id string) string {
		return fmt.Sprintf(`{"users":[{"userPrincipalName":%q,"id":%q}]}`, name, id)
	}
	l.lab("PUT", "/ids", user("a@midas.localhost", guid(1)), 200)
	l.lab("PUT", "/ids", user("A@midas.localhost", strings.ToUpper(guid(1))), 200) // the same again
	for body, code := range map[string]string{
		user("a@midas.localhost", guid(2)):                              "IdReserved",
		user("b@midas.localhost", guid(1)):                              "IdReserved",
		user("b@midas.localhost", principal):                            "IdInUse",
		user("b@midas.localhost", "admin"):                              "InvalidParameter",
		user("", guid(3)):                                               "InvalidParameter",
		`{"applications":[{"displayName":"x","id":"` + guid(4) + `"}]}`: "InvalidParameter",
		`{"identities":[{"resourceId":"/subscriptions/x","principalId":"` + guid(4) + `","clientId":"` + guid(5) + `"}]}`:    "InvalidParameter",
		`{"applications":[{"displayName":"x","id":"` + guid(4) + `","appId":"` + guid(4) + `"}]}`:                            "InvalidParameter",
		`{"servicePrincipals":[{"appId":"` + guid(6) + `","id":"` + l.ClientID + `"}]}`:                                      "IdInUse",
		`{"users":[{"userPrincipalName":"c","id":"` + guid(7) + `"}],"groups":[{"displayName":"d","id":"` + guid(7) + `"}]}`: "IdReserved",
	} {
		a := l.send("PUT", "/lab/v1/ids", body, basic)
		if a.status < 400 || a.code(t) != code {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.text, code)
		}
	}
	if got := l.lab("GET", "", "", 200).at(t, "reservedIds"); got != 1.0 {
		t.Errorf("%v ids are reserved", got)
	}
	l.lab("DELETE", "/ids", "", 204)
	l.lab("PUT", "/ids", user("b@midas.localhost", guid(1)), 200)
}

func TestSecretsAreReserved(t *testing.T) {
	l := start(t)
	secret := func(text string) string {
		return fmt.Sprintf(`{"passwordCredentials":[{"application":"web","displayName":"test","secretText":%q}]}`, text)
	}
	const text = "a-secret-that-tests-know"
	if a := l.lab("PUT", "/ids", secret(text), 200); strings.Contains(a.text, text) || !strings.Contains(a.text, `"application":"web"`) {
		t.Errorf("the answer is %s", a.text)
	}
	l.lab("PUT", "/ids", secret(text), 200)
	for body, code := range map[string]string{
		secret("another-secret-of-tests"): "IdReserved", secret("short"): "InvalidParameter", secret("aaaaaaaaaaaaaaaaaaaaaaaa"): "InvalidParameter",
		`{"passwordCredentials":[{"displayName":"test","secretText":"a-secret-that-tests-know"}]}`: "InvalidParameter",
	} {
		if a := l.send("PUT", "/lab/v1/ids", body, basic); a.status < 400 || a.code(t) != code {
			t.Errorf("%s: %d %s, want %s", body, a.status, a.text, code)
		}
	}
	id := l.arm("POST", "/v1.0/applications", `{"displayName":"web"}`, 201).at(t, "id").(string)
	add := func(name string) any {
		return l.arm("POST", "/v1.0/applications/"+id+"/addPassword", `{"passwordCredential":{"displayName":"`+name+`"}}`, 200).at(t, "secretText")
	}
	if add("other") == text || add("Test") != text || add("test") == text {
		t.Error("the reserved secret is not that of the first secret of its name")
	}
	if got := l.lab("GET", "", "", 200).at(t, "reservedIds"); got != 0.0 {
		t.Errorf("%v ids are still reserved", got)
	}
}
