package login_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"midas/internal/store"
)

const cp1 = `{"access_token":{"xms_cc":{"values":["cp1"]}}}`

func TestClientsThatHandleChallengesGetLongTokens(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.ContinuousLifetime = 24 * time.Hour
	const graph = "https://graph.microsoft.com"
	own := func(scope, claims string) string {
		return clientCredentialsForm("client_id", webApp, "scope", scope+"/.default", "claims", claims)
	}
	user := func(app, scope, claims string) string {
		form := []string{"client_id", app, "scope", scope + "/.default", "claims", claims}
		if app == webApp {
			form = append(form, "client_secret", secret)
		}
		return passwordForm(form...)
	}
	for name, test := range map[string]struct {
		form string
		long bool
	}{
		"an application for ARM":           {own(armAudience, cp1), true},
		"in capitals":                      {own(armAudience, `{"access_token":{"xms_cc":{"values":["x","CP1"]}}}`), true},
		"an application for Graph":         {own(graph, cp1), true},
		"for the server itself":            {own(origin, cp1), true},
		"without the capability":           {own(armAudience, ""), false},
		"another capability":               {own(armAudience, `{"access_token":{"xms_cc":{"values":["cp2"]}}}`), false},
		"for a resource of its own":        {own("api://api", cp1), false},
		"for another resource of Azure":    {own("https://vault.azure.net", cp1), false},
		"a user of Azure CLI":              {user(cli, armAudience, cp1), true},
		"a user of Azure CLI, without":     {user(cli, armAudience, ""), false},
		"a user of another client's token": {user(webApp, "api://api", cp1), false},
	} {
		answer, _ := f.granted(t, f.post(tokenV2, test.form))
		claims := payload(t, answer["access_token"])
		life := time.Duration(claims["exp"].(float64)-claims["midas_iat"].(float64)) * time.Second
		if test.long {
			if life < 20*time.Hour || life > 24*time.Hour || claims["xms_cc"] == nil || answer["expires_in"] != life.Seconds()-1 {
				t.Errorf("%s: %s, xms_cc %v, expires_in %v", name, life, claims["xms_cc"], answer["expires_in"])
			}
			continue
		}
		if life != time.Hour || claims["xms_cc"] != nil {
			t.Errorf("%s: %s, xms_cc %v", name, life, claims["xms_cc"])
		}
	}
	f.ContinuousLifetime = time.Hour
	answer, _ := f.granted(t, f.post(tokenV2, own(armAudience, cp1)))
	if answer["expires_in"] != 3599.0 {
		t.Errorf("switched off: %v", answer["expires_in"])
	}
}

// TestChallengesAreHonoured checks that a client which presents the claims of a challenge gets a token that is not
// older than the challenge says, and that a time of the future does not make tokens of the future.
func TestChallengesAreHonoured(t *testing.T) {
	f := newFixtureWithUsers(t)
	f.ContinuousLifetime = 24 * time.Hour
	get := func(nbf string) (map[string]any, string) {
		claims := cp1
		if nbf != "" {
			claims = `{"access_token":{"nbf":{"essential":true,"value":` + nbf + `},"xms_cc":{"values":["cp1"]}}}`
		}
		answer, _ := f.granted(t, f.post(tokenV2, clientCredentialsForm("client_id", webApp, "claims", claims)))
		return payload(t, answer["access_token"]), answer["access_token"].(string)
	}
	_, first := get("")
	if _, again := get(""); again != first {
		t.Error("the token is not cached")
	}
	f.advance(time.Minute)
	at := f.time().Unix()
	if _, again := get(fmt.Sprint(at - 60)); again != first {
		t.Error("a token that is not older than the challenge is good")
	}
	for _, nbf := range []string{fmt.Sprint(at), fmt.Sprintf(`"%d"`, at), fmt.Sprintf(`"%d"`, at+3600), "9223372036854775807"} {
		f.advance(time.Second)
		claims, text := get(nbf)
		if text == first || claims["midas_iat"].(float64) < float64(at) || claims["midas_iat"].(float64) > float64(f.time().Unix()) {
			t.Errorf("nbf %s: %v", nbf, claims["midas_iat"])
		}
	}
	for _, nbf := range []string{`"x"`, "null", "{}", "-1", `"99999999999999999999"`} {
		get(nbf)
	}
	f.update(t, func(tx store.Tx) error { return f.Directory.RevokeTokens(tx, tenant, "sp-"+webApp) })
	want := f.time().Unix() + 1
	claims, _ := get(fmt.Sprintf(`"%d"`, want))
	if diff := cmp.Diff(float64(want), claims["midas_iat"]); diff != "" {
		t.Errorf("after a revocation (-want +got):\n%s", diff)
	}
}
