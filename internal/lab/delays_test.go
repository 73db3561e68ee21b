package lab_test

import (
	"sync"
	"testing"
	"time"

	"midas/midastest"
)

const (
	readerRole    = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
	assignVersion = "?api-version=2022-04-01"
)

func (l laboratory) assign(name, principal, kind string, want int) answer {
	l.t.Helper()
	body := `{"properties":{"roleDefinitionId":"` + readerRole + `","principalId":"` + principal + `"` + kind + `}}`
	return l.arm("PUT", l.group()+"/providers/Microsoft.Authorization/roleAssignments/"+name+assignVersion, body, want)
}

func TestNewPrincipalsAreNotFoundUntilTheyArePropagated(t *testing.T) {
	l := start(t)
	old := l.create("old")
	l.lab("PUT", "/delays", `{"principals":"30s"}`, 200)
	l.assign(guid(1), old, "", 201)
	fresh := l.create("fresh")
	if a := l.assign(guid(2), fresh, "", 400); a.code(t) != "PrincipalNotFound" {
		t.Errorf("a new principal: %s", a.text)
	}
	l.assign(guid(3), fresh, `,"principalType":"ServicePrincipal"`, 201) // as Azure: the type says not to wait
	later := l.create("later")
	l.Advance(t, 31*time.Second)
	l.assign(guid(4), later, "", 201)
	l.lab("DELETE", "/delays", "", 204)
	l.assign(guid(5), l.create("last"), "", 201)
}

func TestRoleAssignmentsTakeEffectLater(t *testing.T) {
	l := start(t)
	l.create("app")
	app := l.arm("POST", "/v1.0/applications", `{"displayName":"reader"}`, 201)
	appID := app.at(t, "appId").(string)
	principal := l.arm("POST", "/v1.0/servicePrincipals", `{"appId":"`+appID+`"}`, 201).at(t, "id").(string)
	secret := l.arm("POST", "/v1.0/applications/"+app.at(t, "id").(string)+"/addPassword", `{"passwordCredential":{"displayName":"x"}}`, 200).at(t, "secretText").(string)
	token := l.send("POST", "/"+l.TenantID+"/oauth2/v2.0/token", "", form("grant_type=client_credentials&client_id="+appID+"&client_secret="+secret+"&scope=https://management.azure.com/.default")).at(t, "access_token").(string)
	reads := func(want int, when string) {
		t.Helper()
		if a := l.send("GET", l.identity("app")+identityVersion, "", bearer(token)); a.status != want {
			t.Errorf("%s: %d %s", when, a.status, a.text)
		}
	}
	reads(403, "without a role")
	l.lab("PUT", "/delays", `{"roleAssignments":"5m"}`, 200)
	l.arm("GET", l.identity("app")+identityVersion, "", 200) // the administrator's role is older
	l.assign(guid(1), principal, "", 201)
	reads(403, "before the assignment is propagated")
	l.Advance(t, 4*time.Minute)
	reads(403, "a minute before the assignment is propagated")
	l.Advance(t, time.Minute)
	reads(200, "after the assignment is propagated")
}

func TestThrottleHeadersCountDown(t *testing.T) {
	l := start(t)
	token := l.Token(t, midastest.Management)
	l.lab("PUT", "/delays", `{"throttle":{"reads":2,"per":"10m"}}`, 200)
	get := func() answer { return l.send("GET", subscriptions, "", bearer(token)) }
	for _, want := range []struct {
		status int
		left   string
	}{{200, "1"}, {200, "0"}, {429, "0"}, {429, "0"}} {
		if a := get(); a.status != want.status || a.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads") != want.left {
			t.Errorf("%d with %s left, want %v", a.status, a.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads"), want)
		} else if a.status == 429 && (a.code(t) != "SubscriptionRequestsThrottled" || a.header.Get("Retry-After") == "") {
			t.Errorf("%v %s", a.header, a.text)
		}
	}
	if a := l.send("PUT", l.group()+groupVersion, `{"location":"eastus"}`, bearer(token)); a.status != 201 {
		t.Errorf("writes are not counted: %d %s", a.status, a.text)
	}
	l.Advance(t, 10*time.Minute)
	if a := get(); a.status != 200 || a.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads") != "1" {
		t.Errorf("after the period: %d", a.status)
	}
	l.lab("DELETE", "/delays", "", 204)
	if a := get(); a.header.Get("X-Ms-Ratelimit-Remaining-Subscription-Reads") != "" {
		t.Error("the header is still sent")
	}
}

func TestConcurrentCredentialWritesAreRefusedOnDemand(t *testing.T) {
	l := start(t)
	l.create("app")
	token := l.Token(t, midastest.Management)
	conflicts := func() (n int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, name := range []string{"one", "two", "three", "four"} {
			all.Go(func() {
				a := l.send("PUT", l.identity("app")+"/federatedIdentityCredentials/"+name+identityVersion,
					`{"properties":{"issuer":"https://issuer.example/`+name+`","subject":"s","audiences":["api://AzureADTokenExchange"]}}`, bearer(token))
				mu.Lock()
				defer mu.Unlock()
				if a.status == 409 {
					n++
				}
			})
		}
		all.Wait()
		return n
	}
	if n := conflicts(); n != 0 {
		t.Errorf("%d conflicts by default", n)
	}
	l.lab("PUT", "/delays", `{"federatedCredentialConflicts":true}`, 200)
	if n := conflicts(); n == 0 {
		t.Error("no conflict")
	}
}

func TestDelaysAreChecked(t *testing.T) {
	l := start(t)
	for _, body := range []string{
		`{"principals":"25h"}`, `{"roleAssignments":"-1s"}`, `{"throttle":{"reads":-1}}`, `{"throttle":{"reads":1,"per":"1ms"}}`, `{"throttle":{"writes":1000000000}}`,
	} {
		if got := l.lab("PUT", "/delays", body, 400).code(t); got != "InvalidParameter" {
			t.Errorf("%s: %s", body, got)
		}
	}
}
