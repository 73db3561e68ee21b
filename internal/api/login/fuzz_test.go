package login_test

import (
	"net/url"
	"strings"
	"testing"

	"midas/internal/api/login"
)

// FuzzForm compares the reader of token forms with the standard library, and holds it to its rules.
func FuzzForm(f *testing.F) {
	names := [7]string{"grant_type", "client_id", "client_secret", "client_assertion_type", "client_assertion", "scope", "resource"}
	f.Add(good())
	f.Add(good() + "&scope=x")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := login.ParseForm(body)
		values, parseErr := url.ParseQuery(body)
		if err != nil {
			if got != [7]string{} {
				t.Fatalf("an error, and fields %q", got)
			}
			twice := false
			for _, name := range names {
				twice = twice || len(values[name]) > 1
			}
			if parseErr == nil && !twice {
				t.Fatalf("%q is refused: %v", body, err)
			}
			return
		}
		for i, name := range names {
			if len(values[name]) > 1 || values.Get(name) != got[i] {
				t.Fatalf("%s of %q is %q", name, body, got[i])
			}
		}
		audience, err := login.AudienceOf(got[5])
		if err == nil && !strings.Contains(" "+strings.Join(strings.Fields(got[5]), " ")+" ", " "+audience+"/.default ") {
			t.Fatalf("audience %q of scope %q", audience, got[5])
		}
		if login.Plausible(audience) && (len(audience) > 512 || strings.ContainsAny(audience, " \"\r\n\x00#<>\\")) {
			t.Fatalf("audience %q is let through", audience)
		}
	})
}
