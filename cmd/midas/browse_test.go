package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAzurePagesAreOpenedAtTheServersOrigin(t *testing.T) {
	const own = "https://localhost:8443"
	for page, want := range map[string]string{
		"https://login.microsoftonline.com/organizations/oauth2/v2.0/authorize?a=b%20c": own + "/organizations/oauth2/v2.0/authorize?a=b%20c",
		"https://login.windows.net:443/x":                                               own + "/x",
		"http://localhost:1234/?code=x":                                                 "http://localhost:1234/?code=x",
		"https://example.com/":                                                          "https://example.com/",
		"file:///etc/passwd":                                                            "",
		"--help":                                                                        "",
	} {
		got, err := atOwnOrigin(page, own)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", page, got, err)
		}
	}
	if _, err := atOwnOrigin("https://login.windows.net/", ""); err == nil {
		t.Error("without an origin")
	}
}

func TestBrowserOfTheCallerIsUsed(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	for own, want := range map[string]string{
		"firefox": "firefox %s", "firefox:lynx": "firefox %s", "my-browser --url=%s -x": "my-browser --url=%s -x",
	} {
		if diff := cmp.Diff(want, strings.Join(browser(own), " ")); diff != "" {
			t.Errorf("%s: %s", own, diff)
		}
	}
}
