package lab_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"midas"
	"midas/midastest"
)

func TestFaultsHaveTheFormOfEachAPI(t *testing.T) {
	l := start(t, midastest.With(func(c *midas.Config) {
		c.Metadata = []midas.MetadataConfig{{Resource: "/subscriptions/" + midas.LabSubscriptionID + "/resourceGroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1", Listen: "127.0.0.1:0"}}
	}))
	token, graph := l.Token(t, midastest.Management), l.Token(t, "https://graph.microsoft.com")
	l.lab("POST", "/faults", `{"preset":"throttled","retryAfter":"7s"}`, 200)
	l.lab("POST", "/faults", `{"match":{"api":"graph"},"status":503}`, 200)
	l.lab("POST", "/faults", `{"preset":"login-throttled"}`, 200)
	l.lab("POST", "/faults", `{"preset":"imds-410"}`, 200)
	l.lab("POST", "/faults", `{"match":{"api":"hosts","operation":"enroll"},"status":500}`, 200)
	a := l.send("GET", subscriptions, "", bearer(token))
	if a.status != 429 || a.code(t) != "SubscriptionRequestsThrottled" || a.header.Get("Retry-After") != "7" || a.header.Get("X-Ms-Failure-Cause") != "gateway" {
		t.Errorf("ARM: %d %v %s", a.status, a.header, a.text)
	}
	a = l.send("GET", "/v1.0/users", "", bearer(graph))
	if a.status != 503 || a.code(t) != "serviceNotAvailable" || a.at(t, "error", "innerError", "request-id") == nil {
		t.Errorf("Graph: %d %s", a.status, a.text)
	}
	a = l.send("POST", "/"+l.TenantID+"/oauth2/v2.0/token", "", form("grant_type=client_credentials&client_id="+l.ClientID))
	if a.status != 429 || a.at(t, "error") != "temporarily_unavailable" || !strings.HasPrefix(a.at(t, "error_description").(string), "AADSTS90055: ") || a.header.Get("Retry-After") != "2" {
		t.Errorf("sign-in: %d %s", a.status, a.text)
	}
	a = imds(t, l, 410)
	if a.at(t, "error") != "gone" || a.at(t, "error_description") == nil || !strings.Contains(a.header.Get("Server"), "IMDS") {
		t.Errorf("IMDS: %d %s", a.status, a.text)
	}
	// Neither health nor the laboratory has faults.
	l.lab("POST", "/faults", `{"name":"all","preset":"connection-reset"}`, 200)
	if a := l.send("GET", "/healthz", "", nil); a.status != 200 {
		t.Errorf("health: %d", a.status)
	}
	if n := len(l.lab("GET", "/faults", "", 200).at(t, "value").([]any)); n != 6 {
		t.Errorf("%d faults", n)
	}
	l.lab("DELETE", "/faults/all", "", 204)
	l.lab("DELETE", "/faults/all", "", 404)
	l.lab("DELETE", "/faults", "", 204)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 200 {
		t.Errorf("without faults: %d %s", a.status, a.text)
	}
}

func form(text string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		setBody(r, text)
	}
}

func TestFaultsSelectTheirRequests(t *testing.T) {
	l := start(t)
	l.create("app")
	token := l.Token(t, midastest.Management)
	get := func() int { return l.send("GET", l.identity("app")+identityVersion, "", bearer(token)).status }
	put := func() int {
		return l.send("PUT", l.identity("app")+identityVersion, `{"location":"eastus"}`, bearer(token)).status
	}
	for rule, want := range map[string][2]int{ // of GET and PUT
		`"match":{"method":"put"}`: {200, 500},
		`"match":{"operation":"Microsoft.ManagedIdentity/userAssignedIdentities/READ"}`: {500, 200},
		`"match":{"operation":"Microsoft.ManagedIdentity/*/write"}`:                     {200, 500},
		`"match":{"path":"/subscriptions/*/userassignedidentities/app"}`:                {500, 500},
		`"match":{"path":"/subscriptions/*/userassignedidentities/other"}`:              {200, 200},
		`"match":{"host":"127.0.0.1"}`:                                                  {500, 500},
		`"match":{"host":"management.azure.com"}`:                                       {200, 200},
		`"match":{"client":"` + midas.LabClientID + `","method":"GET"}`:                 {500, 200},
		`"match":{"client":"Go-http-client/*"}`:                                         {500, 500},
		`"match":{"client":"somebody"}`:                                                 {200, 200},
		`"match":{"api":"graph"}`:                                                       {200, 200},
		`"match":{"api":"arm","method":"GET"},"share":0`:                                {200, 200},
		`"match":{"api":"arm","method":"GET"},"share":1,"count":1`:                      {500, 200},
	} {
		l.lab("DELETE", "/faults", "", 204)
		l.lab("POST", "/faults", `{`+rule+`,"status":500}`, 200)
		if got := [2]int{get(), put()}; got != want {
			t.Errorf("%s: GET and PUT are %v, want %v", rule, got, want)
		}
	}
	// In order, and each for its count.
	l.lab("DELETE", "/faults", "", 204)
	l.lab("POST", "/faults", `{"name":"a","match":{"method":"GET"},"status":503,"count":2}`, 200)
	l.lab("POST", "/faults", `{"name":"b","match":{"method":"GET"},"status":404,"code":"Mine","count":1}`, 200)
	if got := [4]int{get(), get(), get(), get()}; got != [4]int{503, 503, 404, 200} {
		t.Errorf("answers in order: %v", got)
	}
	if hits := l.lab("GET", "/faults", "", 200).at(t, "value").([]any)[0].(map[string]any)["hits"]; hits != 2.0 {
		t.Errorf("the first has changed %v", hits)
	}
	// A share is chosen by the seed.
	chosen := func(seed string) (all string) {
		l.lab("DELETE", "/faults", "", 204)
		l.lab("POST", "/faults", `{"match":{"method":"GET"},"status":500,"share":0.5,"seed":`+seed+`}`, 200)
		for range 24 {
			all += map[int]string{200: ".", 500: "x"}[get()]
		}
		return all
	}
	one, again, other := chosen("1"), chosen("1"), chosen("2")
	if one != again || one == other || !strings.Contains(one, ".") || !strings.Contains(one, "x") {
		t.Errorf("shares: %s, %s, %s", one, again, other)
	}
}

func TestFaultsOfTheConnection(t *testing.T) {
	l := start(t)
	token := l.Token(t, midastest.Management)
	l.lab("POST", "/faults", `{"match":{"api":"arm"},"reset":true,"count":1}`, 200)
	config := l.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = []string{"http/1.1"}
	h1 := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", l.Endpoint+subscriptions, nil)
	bearer(token)(req)
	if resp, err := h1.Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("the connection is not reset: %s", resp.Status)
	} else if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ends with %v", err)
	}
	began := time.Now()
	l.lab("POST", "/faults", `{"match":{"api":"arm"},"delay":"100ms","slowBody":"100ms","count":1}`, 200)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 200 || a.at(t, "value") == nil || time.Since(began) < 190*time.Millisecond {
		t.Errorf("a slow answer: %d %s after %s", a.status, a.text, time.Since(began))
	}
	l.lab("POST", "/faults", `{"match":{"api":"arm"},"body":"{not JSON","count":1}`, 200)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 200 || a.text != "{not JSON" {
		t.Errorf("another body: %d %s", a.status, a.text)
	}
	l.lab("POST", "/faults", `{"match":{"api":"arm"},"status":500,"body":"<html>`+strings.Repeat("x", 5000)+`","count":1}`, 200)
	if a := l.send("GET", subscriptions, "", bearer(token)); a.status != 500 || len(a.text) != 5006 {
		t.Errorf("another body of an error: %d, %d bytes", a.status, len(a.text))
	}
}

func TestFaultsAreChecked(t *testing.T) {
	l := start(t)
	for _, body := range []string{
		`{}`, `{"match":{"api":"everything"},"status":500}`, `{"status":200}`, `{"status":700}`, `{"code":"X"}`, `{"preset":"nothing"}`,
		`{"reset":true,"status":500}`, `{"delay":"2m"}`, `{"delay":"40s","slowBody":"40s"}`, `{"status":500,"name":".."}`, `{"status":500,"name":"."}`, `{"delay":"-1s"}`, `{"slowBody":"1h"}`, `{"status":500,"share":2}`, `{"status":500,"count":-1}`,
		`{"status":500,"name":"a/b"}`, `{"status":500,"code":"a\r\nb"}`, `{"status":500,"code":"AADSTSx"}`, `{"status":500,"retryAfter":"240h"}`,
		`{"status":500,"match":{"path":"` + strings.Repeat("x", 3000) + `"}}`, `{"status":500,"body":"` + strings.Repeat("x", 1<<16+1) + `"}`,
	} {
		if got := l.lab("POST", "/faults", body, 400).code(t); got != "InvalidParameter" {
			t.Errorf("%.60s: %s", body, got)
		}
	}
	for range 100 {
		l.lab("POST", "/faults", `{"status":500,"match":{"host":"nowhere"}}`, 200)
	}
	l.lab("POST", "/faults", `{"status":500}`, 409)
}

// Clients decide by the code of OAuth and the AADSTS number whether they try again, or ask the user.
func TestLoginFaultsHaveTheCodesOfOAuth(t *testing.T) {
	l := start(t)
	for _, c := range []struct {
		fault, code string
		number      float64
	}{
		{`"status":401,"code":"AADSTS7000215"`, "invalid_client", 7000215},
		{`"status":401,"code":"AADSTS999999"`, "invalid_client", 999999},
		{`"status":400,"code":"AADSTS50076"`, "invalid_grant", 50076},
		{`"status":400,"code":"AADSTS70016"`, "authorization_pending", 70016},
		{`"status":400,"code":"interaction_required","message":"AADSTS50076: Use multi-factor authentication."`, "interaction_required", 50076},
		{`"status":400,"code":"invalid_grant","message":"AADSTSx: y"`, "invalid_grant", 9002313},
		{`"status":400`, "invalid_request", 9002313},
		{`"status":500`, "server_error", 50000},
		{`"status":504`, "temporarily_unavailable", 90033},
		{`"status":429,"code":"AADSTS50196"`, "temporarily_unavailable", 50196},
	} {
		l.lab("POST", "/faults", `{"name":"one","match":{"api":"login"},`+c.fault+`}`, 200)
		a := l.send("POST", "/"+l.TenantID+"/oauth2/v2.0/token", "", func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			setBody(r, "grant_type=client_credentials&client_id="+l.ClientID+"&client_secret="+l.ClientSecret+"&scope=https://management.azure.com/.default")
		})
		numbers, _ := a.at(t, "error_codes").([]any)
		text, _ := a.at(t, "error_description").(string)
		if a.at(t, "error") != c.code || len(numbers) != 1 || numbers[0] != c.number || strings.Count(text, "AADSTS") != 1+strings.Count(c.fault, "AADSTSx") {
			t.Errorf("%s: %d %s", c.fault, a.status, a.text)
		}
	}
}
