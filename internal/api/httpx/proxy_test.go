package httpx_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"midas/internal/api/httpx"
)

// clientOf returns Event.ClientIP of a request.
func clientOf(t testing.TB, proxies httpx.Proxies, peer string, header http.Header) string {
	t.Helper()
	var got string
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Header = peer, header
	httpx.New(httpx.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request, ev *httpx.Event) { got = ev.ClientIP }),
		options(t, proxies)).ServeHTTP(httptest.NewRecorder(), r)
	return got
}

func TestClientAddress(t *testing.T) {
	proxies, err := httpx.ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "2001:db8:ffff::/48"})
	if err != nil {
		t.Fatal(err)
	}
	const peer = "10.0.0.1:1234"
	tests := []struct {
		name, peer string
		headers    []string // name: value
		want       string
	}{
		{"no header", peer, nil, "10.0.0.1"},
		{"nobody's proxy", "198.51.100.7:1", []string{"X-Forwarded-For: 203.0.113.9"}, "198.51.100.7"},
		{"nobody's proxy, RFC 7239", "198.51.100.7:1", []string{"Forwarded: for=203.0.113.9"}, "198.51.100.7"},
		{"a neighbour of the proxy", "192.0.2.2:1", []string{"X-Forwarded-For: 203.0.113.9"}, "192.0.2.2"},
		{"a Unix socket", "@", []string{"X-Forwarded-For: 203.0.113.9"}, "@"},

		{"one hop", peer, []string{"X-Forwarded-For: 203.0.113.9"}, "203.0.113.9"},
		{"the client's own words", peer, []string{"X-Forwarded-For: 1.2.3.4, 203.0.113.9"}, "203.0.113.9"},
		{"the client claims to be a proxy", peer, []string{"X-Forwarded-For: 10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", peer, []string{"X-Forwarded-For: 1.2.3.4, 203.0.113.9, 192.0.2.1, 10.2.3.4"}, "203.0.113.9"},
		{"two lines", peer, []string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: 203.0.113.9, 10.2.3.4"}, "203.0.113.9"},
		{"proxies only", peer, []string{"X-Forwarded-For: 10.9.9.9, 192.0.2.1"}, "10.9.9.9"},
		{"a port", peer, []string{"X-Forwarded-For: 203.0.113.9:4711"}, "203.0.113.9"},
		{"IPv6", peer, []string{"X-Forwarded-For: 2001:db8::9"}, "2001:db8::9"},
		{"IPv6 in brackets", peer, []string{"X-Forwarded-For: [2001:db8::9]"}, "2001:db8::9"},
		{"IPv6 with a port", peer, []string{"X-Forwarded-For: [2001:db8::9]:4711"}, "2001:db8::9"},
		{"mapped IPv4", peer, []string{"X-Forwarded-For: ::ffff:203.0.113.9"}, "203.0.113.9"},
		{"a mapped proxy", "[::ffff:10.0.0.1]:99", []string{"X-Forwarded-For: ::ffff:10.7.7.7, 203.0.113.9, ::ffff:10.7.7.8"}, "203.0.113.9"},
		{"an IPv6 proxy", "[2001:db8:ffff::1]:99", []string{"X-Forwarded-For: 203.0.113.9"}, "203.0.113.9"},
		{"empty hops", peer, []string{"X-Forwarded-For: 203.0.113.9, , ,"}, "203.0.113.9"},
		{"empty", peer, []string{"X-Forwarded-For: "}, "10.0.0.1"},
		{"unknown", peer, []string{"X-Forwarded-For: 203.0.113.9, unknown"}, "10.0.0.1"},
		{"unknown behind a proxy", peer, []string{"X-Forwarded-For: 203.0.113.9, unknown, 10.2.3.4"}, "10.2.3.4"},
		{"no address", peer, []string{"X-Forwarded-For: 203.0.113.9, <script>"}, "10.0.0.1"},
		{"a zone", peer, []string{"X-Forwarded-For: fe80::1%" + strings.Repeat("x", 1000)}, "10.0.0.1"},
		{"a bad port", peer, []string{"X-Forwarded-For: 203.0.113.9:123456"}, "10.0.0.1"},
		{"leading zeros", peer, []string{"X-Forwarded-For: 203.0.113.009"}, "10.0.0.1"},

		{"Forwarded", peer, []string{"Forwarded: for=203.0.113.9"}, "203.0.113.9"},
		{"Forwarded in full", peer, []string{`forwarded: For="[2001:db8::9]:4711" ; proto=https;by=10.0.0.1, for=10.2.3.4;host="a, for=6.6.6.6"`}, "2001:db8::9"},
		{"Forwarded, the client's own words", peer, []string{"Forwarded: for=1.2.3.4, for=203.0.113.9"}, "203.0.113.9"},
		{"Forwarded, two lines", peer, []string{"Forwarded: for=203.0.113.9", "Forwarded: for=10.2.3.4"}, "203.0.113.9"},
		{"Forwarded, escaped", peer, []string{`Forwarded: for="203\.0.113.9"`}, "203.0.113.9"},
		{"Forwarded, hidden", peer, []string{"Forwarded: for=203.0.113.9, for=_hidden"}, "10.0.0.1"},
		{"Forwarded, a hidden port", peer, []string{`Forwarded: for="203.0.113.9:_web"`}, "203.0.113.9"},
		{"Forwarded, unknown behind a proxy", peer, []string{"Forwarded: for=203.0.113.9, for=unknown, for=10.2.3.4"}, "10.2.3.4"},
		{"Forwarded without for", peer, []string{"Forwarded: for=203.0.113.9, proto=https"}, "10.0.0.1"},
		{"Forwarded, IPv6 without brackets and with a port", peer, []string{`Forwarded: for="2001:db8::9:x"`}, "10.0.0.1"},
		{"Forwarded, for twice", peer, []string{"Forwarded: for=203.0.113.9;for=1.2.3.4"}, "10.0.0.1"},
		{"Forwarded, a quote that does not end", peer, []string{`Forwarded: for=", for=203.0.113.9`}, "10.0.0.1"},
		{"Forwarded, malformed", peer, []string{"Forwarded: 203.0.113.9"}, "10.0.0.1"},
		{"Forwarded, malformed before a good one", peer, []string{"Forwarded: x", "Forwarded: for=203.0.113.9"}, "10.0.0.1"},

		{"both agree", peer, []string{"Forwarded: for=203.0.113.9", "X-Forwarded-For: 203.0.113.9:1"}, "203.0.113.9"},
		{"both disagree", peer, []string{"Forwarded: for=203.0.113.9", "X-Forwarded-For: 203.0.113.8"}, "10.0.0.1"},
		{"one is hidden", peer, []string{"Forwarded: for=_x", "X-Forwarded-For: 203.0.113.8"}, "10.0.0.1"},
		{"one is empty", peer, []string{"Forwarded: ", "X-Forwarded-For: 203.0.113.8"}, "10.0.0.1"},
		{"one is malformed", peer, []string{"Forwarded: ;=", "X-Forwarded-For: 203.0.113.8"}, "10.0.0.1"},
		{"other headers", peer, []string{"X-Real-Ip: 203.0.113.9", "X-Client-Ip: 203.0.113.9", "X-Forwarded: 203.0.113.9"}, "10.0.0.1"},
	}
	for _, test := range tests {
		header := http.Header{}
		for _, h := range test.headers {
			name, value, _ := strings.Cut(h, ": ")
			header.Add(name, value)
		}
		if got := clientOf(t, proxies, test.peer, header); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		peer, _, _ := strings.Cut(strings.Trim(test.peer, "["), "]")
		if peer == test.peer {
			peer, _, _ = strings.Cut(test.peer, ":")
		}
		if got := clientOf(t, nil, test.peer, header); got != peer {
			t.Errorf("%s, without proxies: %s, want %s", test.name, got, peer)
		}
	}
}

func TestParseProxies(t *testing.T) {
	for _, bad := range []string{"", "proxy", "10.0.0.0/33", "10.0.0.1/8", "0.0.0.0/0", "::/0", "fe80::1%eth0", "::ffff:10.0.0.0/104", "10.0.0.1:80", "10.0.0.0-10.0.0.9"} {
		if _, err := httpx.ParseProxies([]string{"10.0.0.1", bad}); err == nil || !strings.Contains(err.Error(), `"`+bad+`"`) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	got, err := httpx.ParseProxies([]string{"::ffff:10.0.0.1", "2001:db8::/32"})
	if err != nil || got[0] != netip.MustParsePrefix("10.0.0.1/32") || got[1] != netip.MustParsePrefix("2001:db8::/32") {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzForwarded checks that the client is always an address, that the last hop, which the proxy adds, decides, and
// that both headers give the same address.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "1.2.3.4", `for="[::1]:1"`, `for=";,`, "for=_x, for=unknown", `for="\"", x=y;;,`, "10.0.0.2,,10.0.0.3"} {
		f.Add(seed)
	}
	proxies, err := httpx.ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			got := clientOf(t, proxies, "10.0.0.1:1", http.Header{name: {value}})
			if a, err := netip.ParseAddr(got); err != nil || a.String() != got || a.Zone() != "" {
				t.Errorf("%s: %q gives %q", name, value, got)
			}
		}
		if got := clientOf(t, proxies, "10.0.0.1:1", http.Header{"X-Forwarded-For": {value + ", 203.0.113.9"}}); got != "203.0.113.9" {
			t.Errorf("X-Forwarded-For: a client that sends %q is %s", value, got)
		}
		// A client can make the header unreadable. Then the proxy is the client, and never another address.
		switch got := clientOf(t, proxies, "10.0.0.1:1", http.Header{"Forwarded": {value + ", for=203.0.113.9"}}); got {
		case "203.0.113.9", "10.0.0.1":
		default:
			t.Errorf("Forwarded: a client that sends %q is %s", value, got)
		}
	})
}

// options are those of a handler that logs nothing.
func options(t testing.TB, proxies httpx.Proxies) httpx.Options {
	t.Helper()
	metrics, err := httpx.NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return httpx.Options{
		Log: slog.New(slog.DiscardHandler), Metrics: metrics, Now: time.Now, NewID: func() string { return requestID }, Proxies: proxies,
	}
}
