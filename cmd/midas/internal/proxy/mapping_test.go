package proxy_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"midas/cmd/midas/internal/proxy"
)

// mapping reads mappings that are right.
func mapping(t *testing.T, texts ...string) (all []proxy.Mapping) {
	t.Helper()
	for _, text := range texts {
		m, err := proxy.ParseMapping(text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestMappedHostsGoToTheirDoubles(t *testing.T) {
	server, vault, vaults, plain := httptest.NewTLSServer(named("midas")), httptest.NewTLSServer(named("vault")), httptest.NewTLSServer(named("vaults")), httptest.NewServer(named("plain"))
	for _, s := range []*httptest.Server{server, vault, vaults, plain} {
		defer s.Close()
	}
	at := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	p := begin(t, proxy.Config{Server: at(server), Endpoint: "midas.test:8443", Map: mapping(t,
		"*.vault.azure.net="+at(vaults), "One.vault.azure.net="+at(vault), "blobs.test:80="+at(plain), "blobs.test:8443="+at(vault),
		"*.azure.com="+at(vaults), "*.midas.test:8443="+at(vaults), "10.0.0.1="+at(vault))})
	const refused = "refused"
	for target, want := range map[string]string{
		"https://one.vault.azure.net/":     "vault as one.vault.azure.net",
		"https://ONE.VAULT.azure.net/":     "vault as ONE.VAULT.azure.net",
		"https://two.vault.azure.net/":     "vaults as two.vault.azure.net",
		"https://a.b.vault.azure.net/":     "vaults as a.b.vault.azure.net",
		"https://vault.azure.net/":         refused,
		"https://evilvault.azure.net/":     refused,
		"https://one.vault.azure.net:444/": refused,
		"http://one.vault.azure.net/":      refused,
		"http://blobs.test/x":              "plain as blobs.test",
		"https://blobs.test:8443/":         "vault as blobs.test:8443",
		"https://blobs.test/":              refused,
		"https://10.0.0.1/":                "vault as 10.0.0.1",
		"https://management.azure.com/":    "midas as management.azure.com",
		"https://portal.azure.com/":        "vaults as portal.azure.com",
		"https://midas.test:8443/":         "midas as midas.test:8443",
		"http://management.azure.com/":     refused,
		"http://midas.test:8443/":          refused,
	} {
		resp, err := through(t, p).Get(target)
		if err != nil {
			if want != refused || !strings.Contains(err.Error(), "Forbidden") {
				t.Errorf("%s: %v", target, err)
			}
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if got := string(body); want == refused && resp.StatusCode != http.StatusForbidden || want != refused && got != want {
			t.Errorf("%s: %s %s, want %s", target, resp.Status, got, want)
		}
	}
}

func TestInvalidMappingsAreRefused(t *testing.T) {
	for text, words := range map[string]string{
		"":                                    "is not HOST=ADDRESS:PORT",
		"vault.azure.net":                     "is not HOST=ADDRESS:PORT",
		"=127.0.0.1:1":                        "is not HOST or HOST:PORT",
		"*.=127.0.0.1:1":                      "is not HOST or HOST:PORT",
		"*=127.0.0.1:1":                       "is not HOST or HOST:PORT",
		"a.*.b=127.0.0.1:1":                   "is not HOST or HOST:PORT",
		"https://vault.azure.net=127.0.0.1:1": "is not HOST or HOST:PORT",
		"a:b=127.0.0.1:1":                     "is not HOST or HOST:PORT",
		"a:0=127.0.0.1:1":                     "is not HOST or HOST:PORT",
		"a=127.0.0.1":                         "is not ADDRESS:PORT",
		"a=:8444":                             "is not ADDRESS:PORT",
		"a=127.0.0.1:x":                       "is not ADDRESS:PORT",
		"a=127.0.0.1:65536":                   "is not ADDRESS:PORT",
		"a=":                                  "is not ADDRESS:PORT",
		"Management.azure.com.=127.0.0.1:1":   "is Midas",
		"login.microsoftonline.com:80=127.0.0.1:1": "is Midas",
		"a=login.windows.net:443":                  "never reached",
		"169.254.169.254=127.0.0.1:1":              "--as",
		"localhost=127.0.0.1:1":                    "without the proxy",
		"127.0.0.5:443=127.0.0.1:1":                "without the proxy",
		"[::1]:443=127.0.0.1:1":                    "without the proxy",
	} {
		if _, err := proxy.ParseMapping(text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %s", text, err, words)
		}
	}
	for name, all := range map[string][]proxy.Mapping{
		"twice":      mapping(t, "a.test=127.0.0.1:1", "A.test:443=127.0.0.1:2"),
		"the server": mapping(t, "midas.test=127.0.0.1:1"),
	} {
		if p, err := proxy.Start(proxy.Config{Endpoint: "midas.test:8443", Map: all}); err == nil {
			t.Errorf("%s: no error", name)
			_ = p.Close()
		}
	}
}
