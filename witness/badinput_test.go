package witness_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Nearly all of these requests have a valid token and would create a resource group if they were accepted.
// None causes a 5xx, except 501 and 505, which are HTTP's answers to unsupported encodings and versions,
// and nothing is written.
func TestMalformedRequestsChangeNothing(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	for _, attacks := range []map[string]attack{x.badHeaders(), x.badBodies(), x.badURIs(), x.badLines()} {
		for name, a := range attacks {
			t.Run(name, func(t *testing.T) { x.suffer(t, a) })
		}
	}
	x.unharmed(t, before)
}

func (x *target) suffer(t *testing.T, a attack) {
	t.Helper()
	status, body, err := x.speak(t, a.bytes)
	if !slices.Contains(a.want, status) || err != nil && status != 0 {
		t.Errorf("%d, want one of %v: %.200s %v", status, a.want, body, err)
	}
	if a.code != "" && armCode(body) != a.code {
		t.Errorf("code %q, want %s: %.200s", armCode(body), a.code, body)
	}
}

// attack is the bytes of a request and what may become of it: one of the statuses, where 0 is an
// end without an answer, and the code of ARM's error, if it is the face that answers.
type attack struct {
	bytes string
	want  []int
	code  string
}

func kib(n int) string { return strings.Repeat("a", n<<10) }

func (x *target) badHeaders() map[string]attack {
	return map[string]attack{
		"huge header":             {x.put("X-Huge: "+kib(40)+"\r\n", length(location)), []int{431}, "RequestHeaderFieldsTooLarge"},
		"huge token":              {strings.Replace(x.put(length(location)), "Bearer ", "Bearer "+kib(40), 1), []int{431}, "RequestHeaderFieldsTooLarge"},
		"endless header":          {x.put("X-Huge: " + kib(200)), []int{431}, ""},
		"twenty thousand headers": {x.put(strings.Repeat("X: y\r\n", 20000), length(location)), []int{431}, ""},
		"two hosts":               {x.put("Host: example.com\r\n", length(location)), []int{400}, ""},
		"no host":                 {strings.Replace(x.put(length(location)), "Host: "+x.guard.server+"\r\n", "", 1), []int{400}, ""},
		"NUL in a header":         {x.put("X-Nul: a\x00b\r\n", length(location)), []int{400}, ""},
		"NUL in a header's name":  {x.put("X\x00: a\r\n", length(location)), []int{400}, ""},
		"line feed in a header":   {x.put("X-Evil: a\n\tContent-Length: 0\r\n", "X : y\r\n", length(location)), []int{400}, ""},
		"space before the colon":  {x.put("Content-Length : 5\r\n", length(location)), []int{400}, ""},
		"two tokens":              {x.put("Authorization: Bearer x\r\n", length(location)), []int{401}, "AuthenticationFailed"},
		"an unknown expectation":  {x.put("Expect: the worst\r\n", length(location)), []int{417}, ""},
		"upgrade to clear HTTP/2": {x.put("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", "Content-Length: 0\r\n\r\n"), []int{400}, "InvalidRequestContent"},
	}
}

func (x *target) badBodies() map[string]attack {
	return map[string]attack{
		"two lengths":               {x.put("Content-Length: 5\r\n", length(location)), []int{400}, ""},
		"negative length":           {x.put("Content-Length: -1\r\n\r\n", location), []int{400}, ""},
		"length with a sign":        {x.put("Content-Length: +21\r\n\r\n", location), []int{400}, ""},
		"length beyond 64 bits":     {x.put("Content-Length: 99999999999999999999999\r\n\r\n", location), []int{400}, ""},
		"length of 2 GiB":           {x.put("Content-Length: 2147483648\r\n\r\n", location), []int{400, 413}, ""},
		"shorter than its length":   {x.put("Content-Length: 400\r\n\r\n", location), []int{0, 400}, ""},
		"no body":                   {x.put("\r\n"), []int{400}, "InvalidRequestContent"},
		"garbage for chunks":        {x.put("Transfer-Encoding: chunked\r\n\r\n", "zz\r\n", location), []int{400}, "InvalidRequestContent"},
		"endless chunk size":        {x.put("Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("0", 9000)+"\r\n"), []int{400}, "InvalidRequestContent"},
		"half a chunk":              {x.put("Transfer-Encoding: chunked\r\n\r\n", "ff\r\n", location), []int{0, 400}, ""},
		"chunks without an end":     {x.put("Transfer-Encoding: chunked\r\n\r\n", "15\r\n", location, "\r\n"), []int{0, 400}, ""},
		"long chunk extension":      {x.put("Transfer-Encoding: chunked\r\n\r\n", "15;"+kib(40)+"\r\n", location, "\r\n0\r\n\r\n"), []int{400}, "InvalidRequestContent"},
		"chunked and gzip":          {x.put("Transfer-Encoding: gzip, chunked\r\n\r\n", "15\r\n", location, "\r\n0\r\n\r\n"), []int{501}, ""},
		"chunked twice":             {x.put("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "15\r\n", location, "\r\n0\r\n\r\n"), []int{501}, ""},
		"chunked by a vertical tab": {x.put("Transfer-Encoding: \vchunked\r\n\r\n", "15\r\n", location, "\r\n0\r\n\r\n"), []int{400, 501}, ""},
		"2 MiB":                     {x.put(length(`{"location":"eastus","x":"` + kib(2048) + `"}`)), []int{413}, "RequestContentTooLarge"},
		"2 MiB in chunks":           {x.put("Transfer-Encoding: chunked\r\n\r\n", "200000\r\n", kib(2048), "\r\n0\r\n\r\n"), []int{413}, "RequestContentTooLarge"},
		"a compressed body":         {x.put("Content-Encoding: gzip\r\n", length("\x1f\x8b\x08\x00\x00")), []int{400, 415}, ""},
		"a form":                    {strings.Replace(x.put(length("location=eastus")), "application/json", "application/x-www-form-urlencoded", 1), []int{415}, "UnsupportedMediaType"},
	}
}

func (x *target) badURIs() map[string]attack {
	put := x.put(length(location))
	return map[string]attack{
		"URI of 9 KiB":              {strings.Replace(put, "?", "?x="+kib(9)+"&", 1), []int{414}, "UriTooLong"},
		"path of 9 KiB":             {strings.Replace(put, "evil", kib(9), 1), []int{414}, "UriTooLong"},
		"URI with a space":          {strings.Replace(put, "evil", "e vil", 1), []int{400}, ""},
		"URI with a NUL":            {strings.Replace(put, "evil", "e\x00vil", 1), []int{400}, ""},
		"URI with a bad escape":     {strings.Replace(put, "evil", "%zz", 1), []int{400}, ""},
		"URI with bytes over ASCII": {strings.Replace(put, "evil", "\xff\xfe", 1), []int{400}, ""},
		"dot segments":              {strings.Replace(put, "evil", "x/../evil", 1), []int{400}, "InvalidRequestUri"},
		"two empty segments":        {strings.Replace(put, "/evil", "///evil", 1), []int{400}, "InvalidRequestUri"},
		"encoded slash":             {strings.Replace(put, "evil", "e%2fvil", 1), []int{400}, "InvalidRequestUri"},
		"encoded NUL":               {strings.Replace(put, "evil", "e%00vil", 1), []int{400}, "InvalidRequestUri"},
		"foreign absolute URI":      {strings.Replace(put, "PUT /", "PUT https://example.com/", 1), []int{400, 421}, ""},
		"URI that is a name":        {strings.Replace(put, "PUT /", "PUT ", 1), []int{400}, ""},
	}
}

func (x *target) badLines() map[string]attack {
	put := x.put(length(location))
	return map[string]attack{
		"connect":                   {strings.Replace(put, "PUT /", "CONNECT /", 1), []int{405}, "HttpMethodNotSupported"},
		"connect to another host":   {"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n", []int{400, 405, 421}, ""},
		"trace":                     {strings.Replace(put, "PUT", "TRACE", 1), []int{405}, "HttpMethodNotSupported"},
		"method in lower case":      {strings.Replace(put, "PUT", "put", 1), []int{405}, "HttpMethodNotSupported"},
		"method of no letters":      {strings.Replace(put, "PUT", "P@T", 1), []int{400}, ""},
		"HTTP/9.9":                  {strings.Replace(put, "HTTP/1.1", "HTTP/9.9", 1), []int{505}, ""},
		"HTTP/2 without its frames": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 421, 505}, ""},
		"no HTTP at all":            {"\x00\x01\x02\x03\r\n\r\n", []int{400}, ""},
	}
}

// Unusual but valid requests are served.
func TestOddRequestsAreServed(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	get := x.get("/subscriptions")
	for name, c := range map[string]struct {
		bytes string
		want  int
	}{
		"absolute URI":             {strings.Replace(get, "GET /", "GET "+x.Endpoint+"/", 1), 200},
		"a thousand headers":       {strings.Replace(get, "\r\n\r\n", "\r\n"+strings.Repeat("X: y\r\n", 1000)+"\r\n", 1), 200},
		"HTTP/1.0":                 {strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1), 200},
		"HTTP/1.0 without a host":  {strings.Replace(strings.Replace(get, "HTTP/1.1", "HTTP/1.0", 1), "Host", "X-Host", 1), 421},
		"lines without returns":    {strings.ReplaceAll(get, "\r\n", "\n"), 200},
		"OPTIONS *":                {"OPTIONS * HTTP/1.1\r\nHost: " + x.guard.server + "\r\n\r\n", 200},
		"OPTIONS of a list":        {strings.Replace(get, "GET", "OPTIONS", 1), 405},
		"scheme in capitals":       {strings.Replace(get, "Bearer", "BEARER", 1), 200},
		"trailing slash":           {strings.Replace(get, "/subscriptions?", "/subscriptions/?", 1), 200},
		"GET with a body":          {strings.Replace(get, "\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}", 1), 200},
		"GET that waits for a 100": {strings.Replace(get, "\r\n\r\n", "\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", 1), 200},
		"the same length twice":    {strings.Replace(get, "\r\n\r\n", "\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 1), 200},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body, err := x.speak(t, c.bytes); status != c.want || err != nil {
				t.Errorf("%d, want %d: %.200s %v", status, c.want, body, err)
			}
		})
	}
	x.unharmed(t, before)
}

// Two servers could disagree about the end of such a request. It must be the last of its connection:
// otherwise the rest of it would be read as another request, which a proxy in front has not checked.
func TestAmbiguousRequestIsTheLastOfItsConnection(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	smuggled := x.put(length(location))
	for name, ambiguous := range map[string]string{
		"length over chunks": fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5+len(smuggled)),
		"chunks over length": fmt.Sprintf("Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n0\r\n\r\n", 5+len(smuggled)),
		"short length":       "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"unknown encoding":   fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 5+len(smuggled)),
	} {
		t.Run(name, func(t *testing.T) {
			conn := x.dial(t)
			head := strings.TrimSuffix(strings.Replace(x.get("/subscriptions"), "GET", "POST", 1), "\r\n")
			_, err := io.WriteString(conn, head+ambiguous+smuggled)
			check(t, err)
			if statuses, rest := answers(conn); len(statuses) != 1 || len(rest) != 0 {
				t.Errorf("one request had the answers %v and %q", statuses, rest)
			}
		})
	}
	x.unharmed(t, before)
}

func TestOldTLSIsRefused(t *testing.T) {
	x := newTarget(t)
	for version, good := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := x.handshake(t.Context(), &tls.Config{MinVersion: version, MaxVersion: version})
		if (err == nil) != good {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	plain, err := x.guard.dial(t.Context(), "tcp", x.guard.server)
	check(t, err)
	defer func() { _ = plain.Close() }()
	_, err = io.WriteString(plain, x.get("/subscriptions"))
	check(t, err)
	if text, _ := io.ReadAll(plain); strings.Contains(string(text), x.SubscriptionID) || strings.Contains(string(text), " 200 ") {
		t.Errorf("in clear: %s", text)
	}
}

func TestHTTP2(t *testing.T) {
	x := newTarget(t)
	before := x.dump(t)
	send := func(method, path string, body io.Reader, change func(*http.Request)) (int, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, x.Endpoint+path, body)
		check(t, err)
		req.Header.Set("Authorization", "Bearer "+x.token)
		change(req)
		resp, err := x.guard.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.ProtoMajor != 2 {
			t.Errorf("%s %s was %s", method, path, resp.Proto)
		}
		text, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text), err
	}
	as := func(*http.Request) {}
	group := "/subscriptions/" + x.SubscriptionID + "/resourceGroups/evil?api-version=2021-04-01"
	if status, body, err := send("GET", "/subscriptions?api-version=2021-04-01", nil, as); status != 200 || err != nil {
		t.Errorf("a list: %d %s %v", status, body, err)
	}
	// The server tells its limit when the connection begins, and this client keeps to it.
	if status, _, err := send("PUT", group, strings.NewReader(location), func(r *http.Request) { r.Header.Set("X-Huge", strings.Repeat("a", 40<<10)) }); status != 431 && (err == nil || !strings.Contains(err.Error(), "advertised limit")) {
		t.Errorf("a huge header: %d %v", status, err)
	}
	if status, body, err := send("PUT", group+"&x="+strings.Repeat("a", 9<<10), strings.NewReader(location), as); status != 414 || armCode(body) != "UriTooLong" {
		t.Errorf("a long URI: %d %s %v", status, body, err)
	}
	big := strings.NewReader(`{"location":"eastus","x":"` + strings.Repeat("a", 2<<20) + `"}`)
	if status, body, err := send("PUT", group, big, as); status != 413 || armCode(body) != "RequestContentTooLarge" {
		t.Errorf("2 MiB: %d %s %v", status, body, err)
	}
	if status, body, err := send("PUT", group, strings.NewReader(location), func(r *http.Request) { r.Host = "example.com" }); status < 400 || status >= 500 {
		t.Errorf("another authority: %d %s %v", status, body, err)
	}
	x.unharmed(t, before)
}
