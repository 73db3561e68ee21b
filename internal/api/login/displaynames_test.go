package login_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode"

	"midas/internal/api/login"
	"midas/internal/directory"
	"midas/internal/store"
)

// TestMisleadingCharactersAreRemovedFromNames has names that can mislead readers.
func TestMisleadingCharactersAreRemovedFromNames(t *testing.T) {
	tests := []struct{ name, given, want string }{
		{"an ordinary one", "Contoso Web", "Contoso Web"},
		{"of another script", "حساب Contoso", "حساب Contoso"},
		{"with an accent", "Caf\u0065\u0301", "Cafe\u0301"},
		{"overridden", "Contoso\u202Etfosorcim", "Contosotfosorcim"},
		{"isolates that end ours", "a\u2069\u2067b", "ab"},
		{"zero width", "Con\u200Btoso\u200D\uFEFF", "Contoso"},
		{"controls", "a\x00b\x1b[31m\x7f\u0085c", "ab[31m c"},
		{"lines", "a\r\n\u2028b\u2029c", "a b c"},
		{"wide spaces", "\u3000a\u00A0\u2003b ", "a b"},
		{"blank", " \t", "otherwise"},
		{"nothing", "", "otherwise"},
		{"fillers", "\u3164\u115F\u1160\uFFA0\u2800\u034F\u180E\u00AD", "otherwise"},
		{"marks alone", "\u0301\u0302", "otherwise"},
		{"tags", "a\U000E0041\U000E007F", "a"},
		{"private and unassigned", "a\uE000\U0010FFFFb\u0378", "ab"},
		{"no UTF-8", "a\xffb", "a\uFFFDb"},
		{"marks without end", "a" + strings.Repeat("\u0301", 50) + "b", "a\u0301\u0301b"},
		{"without end", strings.Repeat("ü", 4000), strings.Repeat("ü", 120) + "…"},
	}
	for _, test := range tests {
		if got := login.Isolated(test.given, "otherwise"); got != "\u2068"+test.want+"\u2069" {
			t.Errorf("%s: %+q, want %+q", test.name, got, test.want)
		}
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		got := login.Isolated("a"+string(r)+"b", "")
		for _, one := range got[len("\u2068") : len(got)-len("\u2069")] {
			if unicode.IsControl(one) || unicode.Is(unicode.Cf, one) || unicode.Is(unicode.Bidi_Control, one) {
				t.Fatalf("%U is shown as %+q", r, got)
			}
		}
	}
}

// TestPagesIsolateNames gives an application and a tenant names that reorder the following text, and checks every
// page.
func TestPagesIsolateNames(t *testing.T) {
	const evil, shown = "Evil\u202E\u2069\u200B<b>", "<bdi>Evil&lt;b&gt;</bdi>"
	for _, given := range []string{evil, "\u3164\u200B"} {
		f := newFixtureWithUsers(t)
		f.update(t, func(tx store.Tx) error {
			app, err := f.Directory.ApplicationByAppID(tx, tenant, webApp)
			if err != nil {
				return err
			}
			app.DisplayName, app.PublicClient = given, true
			if err := f.Directory.UpdateApplication(tx, app); err != nil {
				return err
			}
			return f.Directory.PutTenant(tx, directory.Tenant{ID: tenant, DisplayName: given, DefaultDomain: domain})
		})
		want := shown
		if given != evil {
			want = "<bdi>application " + webApp + "</bdi>"
		}
		look := func(what, body string) {
			t.Helper()
			if !strings.Contains(body, want) {
				t.Errorf("%s: the application is not named %s: %s", what, want, body)
			}
			if strings.ContainsAny(body, "\u202E\u200B\u3164") || strings.Contains(body, "<b>") || strings.Contains(body, "<bdi></bdi>") {
				t.Errorf("%s: %s", what, body)
			}
		}
		b, web := f.browse(t), []string{"client_id", webApp, "redirect_uri", webRedirect}
		page := b.get(authorizeURL(authorizeV2, web...))
		look("signin", page.Body.String())
		safePage(t, page)
		b.signIn(page, alice)
		look("pick", b.get(authorizeURL(authorizeV2, append(web, "prompt", "select_account")...)).Body.String())
		look("formpost", b.submit(b.get(authorizeURL(authorizeV2, append(web, "prompt", "select_account", "response_mode", "form_post")...)), "action", "continue").Body.String())
		device := decode(t, f.post("/"+tenant+"/oauth2/v2.0/devicecode", "client_id="+webApp+"&scope="+armAudience+"/.default"))
		w := b.submit(b.get("/common/oauth2/deviceauth"), "code", device["user_code"].(string))
		look("confirm", w.Body.String())
		if w = b.submit(w, "action", "continue"); w.Code != http.StatusOK {
			t.Errorf("status %d", w.Code)
		}
		look("message", w.Body.String())
	}
}
