package directory_test

import (
	"errors"
	"fmt"
	"testing"

	"midas/internal/directory"
	"midas/internal/store"
)

func TestSafeRedirects(t *testing.T) {
	good := []string{
		"https://app.test/callback", "https://app.test:8443/a;b,c?x='1'&y=%3B", "http://localhost", "http://localhost:3000/", "http://127.0.0.1/back",
		"http://[::1]:8400/x", "https://[2001:db8::1]/", "myapp://auth", "ms-app.v1+x:/back", "urn.ietf:x", "https://xn--bcher-kva.example/", "HTTPS://APP.TEST/", "https://a_b.test",
	}
	bad := []string{
		"", "app", "//app.test/", "https:", "https://", "https:app.test", "https:///x", "https://;script-src *", "https://app.test;script-src", "https://app.test;x/back", "https://app.test,b", "https://'none'/",
		"https://app.test'/", "https://a b.test/", "https://*.app.test/", "https://app.test:80;x/", "https://app.test:abc/", "https://app.test:123456/", "https://app.test:/", "https://u@app.test/", "https://app.test/#f",
		"https://app.test/\u00e4", "https://\u00e4.test/", "https://app.test/ x", "https://app.test/\t", "https://app.test/\x00", "https://app.test/\"", "https://app.test/<", "https://app.test\\@evil.test/",
		"https://[::1%25lo]/", "https://[;]/", "https://[::1];x/", "https://[::1]x/", "https://(app).test/", "https://app.test=1/", "https://app.test!/", "https://app.test$/", "https://app.test&x/", "https://%3bapp.test/",
		"javascript:alert(1)", "JavaScript://app.test/%0aalert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://app.test/x", "about:blank", "1app://x", "my app://x", ";app://x",
	}
	for _, uri := range good {
		if !directory.SafeRedirect(uri) {
			t.Errorf("%q is refused", uri)
		}
	}
	d := newDirectory(t)
	for i, uri := range bad {
		if directory.SafeRedirect(uri) {
			t.Errorf("%q is safe", uri)
		}
		for _, r := range []directory.Redirects{{Web: []string{uri}}, {SPA: []string{uri}}, {Public: []string{uri}}} {
			_, err := d.Store.Update(t.Context(), func(tx store.Tx) error {
				return d.CreateApplication(tx, directory.Application{ID: fmt.Sprint("a", i), AppID: fmt.Sprint("b", i), TenantID: tenant, DisplayName: "x", Redirects: r})
			})
			if !errors.Is(err, directory.ErrInvalid) {
				t.Errorf("%q is registered: %v", uri, err)
			}
		}
	}
}
