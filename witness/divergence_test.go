package witness_test

import (
	"strings"
	"testing"
)

// Bytes that are not HTTP never reach Midas: Go's server answers them in plain text.
func TestInvalidHTTPIsAnsweredInPlainText(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	host := "Host: " + x.guard.server + "\r\n"
	for name, c := range map[string]struct {
		bytes  string
		status int
	}{
		"two Hosts":                   {"GET /subscriptions HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"no Host":                     {"GET /subscriptions HTTP/1.1\r\n\r\n", 400},
		"two lengths":                 {x.put("Content-Length: 21\r\nContent-Length: 22\r\n\r\n" + location), 400},
		"a bad escape":                {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
		"a header of 80 KiB":          {"GET /subscriptions HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 431},
		"an unknown coding":           {x.put("Transfer-Encoding: gzip\r\n\r\n" + location), 501},
		"another version":             {"GET /subscriptions HTTP/3.0\r\n" + host + "\r\n", 505},
		"no method, no target at all": {"\x16\x03\x01\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			status, body, err := x.speak(t, c.bytes)
			if err != nil || status != c.status || armCode(body) != "" {
				t.Errorf("%d %q %v, want %d in plain text", status, body, err, c.status)
			}
		})
	}
	x.unharmed(t, before)
}
