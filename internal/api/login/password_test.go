package login_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"midas/internal/throttle"
)

func passwordForm(changes ...string) string {
	return withChanges(url.Values{
		"grant_type": {"password"}, "client_id": {cli}, "username": {alice}, "password": {password},
		"scope": {armAudience + "/.default offline_access openid profile"}, "client_info": {"1"},
	}, changes...)
}

func TestPasswordGrant(t *testing.T) {
	f := newFixtureWithUsers(t)
	for name, try := range map[string][2]string{
		"at the tenant":           {tokenV2, passwordForm()},
		"at organizations":        {"/organizations/oauth2/v2.0/token", passwordForm()},
		"in capitals":             {tokenV2, passwordForm("username", strings.ToUpper(alice))},
		"as AD FS":                {"/adfs/oauth2/token", passwordForm()},
		"version 1":               {tokenV1, passwordForm("scope", "", "resource", armAudience)},
		"a server":                {tokenV2, passwordForm("client_id", webApp, "client_secret", secret)},
		"a program of the tenant": {tokenV2, passwordForm("client_id", localApp)},
	} {
		t.Run(name, func(t *testing.T) {
			answer, claims := f.granted(t, f.post(try[0], try[1]))
			if claims.ObjectID != aliceID || claims.Audience != armAudience || answer["id_token"] == nil || answer["client_info"] == nil {
				t.Errorf("claims %v, answer %v", claims, answer)
			}
			more := []string{}
			if name == "a server" {
				more = []string{"client_id", webApp, "client_secret", secret}
			} else if name == "a program of the tenant" {
				more = []string{"client_id", localApp}
			}
			f.granted(t, f.post(try[0], refreshForm(answer["refresh_token"].(string), more...)))
		})
	}
	answer, _ := f.granted(t, f.post(tokenV2, passwordForm("scope", armAudience+"/.default", "client_info", "")))
	if answer["refresh_token"] != nil || answer["id_token"] != nil || answer["client_info"] != nil {
		t.Errorf("the response has tokens that were not requested: %v", answer)
	}
}

func TestInvalidPasswordGrantsAreRefused(t *testing.T) {
	f := newFixtureWithUsers(t)
	tests := []struct {
		name, path, form string
		status           int
		number           float64
	}{
		{"no user name", tokenV2, passwordForm("username", ""), 400, 900144},
		{"no password", tokenV2, passwordForm("password", ""), 400, 900144},
		{"a wrong password", tokenV2, passwordForm("password", "hunter2-Hunter2"), 400, 50126},
		{"a password that is longer", tokenV2, passwordForm("password", password+" "), 400, 50126},
		{"a huge password", tokenV2, passwordForm("password", strings.Repeat("x", 60_000)), 400, 50126},
		{"nobody", tokenV2, passwordForm("username", "nobody@"+domain), 400, 50034},
		{"a user of another tenant", tokenV2, passwordForm("username", bob), 400, 50034},
		{"a user of another tenant at personal accounts", "/consumers/oauth2/v2.0/token", passwordForm("username", bob), 400, 50020},
		{"a huge user name", tokenV2, passwordForm("username", strings.Repeat("x", 60_000)), 400, 50034},
		{"switched off", tokenV2, passwordForm("username", disabledUser), 400, 50057},
		{"switched off and wrong", tokenV2, passwordForm("username", disabledUser, "password", "hunter2-Hunter2"), 400, 50126},
		{"a server without its secret", tokenV2, passwordForm("client_id", webApp), 401, 7000218},
		{"an unknown client", tokenV2, passwordForm("client_id", other), 400, 700016},
		{"no scope", tokenV2, passwordForm("scope", ""), 400, 900144},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := f.post(test.path, test.form)
			f.refused(t, w, test.status, test.number)
			for _, leak := range []string{password, "hunter2"} {
				if strings.Contains(w.Body.String()+fmt.Sprint(f.event.Err), leak) {
					t.Error("a password is repeated")
				}
			}
		})
	}
}

func TestPasswordGuessesAreThrottled(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.Passwords.PerUserAndAddress = throttle.Rule{Burst: 3, Refill: 6 * time.Second}
	f.Passwords.PerUser = throttle.Rule{Burst: 6, Refill: time.Minute}
	wrong := passwordForm("password", "hunter2-Hunter2")
	from := func(address, form string, number float64) {
		t.Helper()
		f.address = address
		w := f.post(tokenV2, form)
		if number == 0 {
			f.granted(t, w)
			return
		}
		f.refused(t, w, 400, number)
	}
	from("192.0.2.9", passwordForm(), 0) // her own machine
	for range 3 {
		from("192.0.2.1", wrong, 50126)
	}
	from("192.0.2.1", wrong, 50053)
	from("192.0.2.1", passwordForm(), 50053)
	from("192.0.2.1", passwordForm("username", bob, "password", "x"), 50034) // another user
	for i := range 3 {
		from(fmt.Sprint("192.0.2.", 20+i), wrong, 50126)
	}
	from("192.0.2.30", wrong, 50053)
	from("192.0.2.30", passwordForm(), 50053)
	from("192.0.2.9", passwordForm(), 0) // she is not locked out at a known address
	f.advance(time.Minute)
	from("192.0.2.30", passwordForm(), 0)
	// A restart resets the throttle, but the addresses at which she signed in are stored.
	table := &throttle.Table{Now: f.time}
	f.Throttle, f.Passwords = table, &throttle.PasswordLimiter{Table: table, Familiar: f.Grants, PerUser: throttle.Rule{Burst: 6, Refill: time.Minute}}
	for i := range 100 {
		f.address = fmt.Sprintf("10.1.%d.1", i)
		f.post(tokenV2, wrong)
	}
	from("10.2.0.1", passwordForm(), 50053)
	from("192.0.2.9", passwordForm(), 0)
	f.advance(10 * time.Minute)
	// Right passwords are not counted.
	for range 5 {
		from("192.0.2.31", passwordForm(), 0)
	}
}
