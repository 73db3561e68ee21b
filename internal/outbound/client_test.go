package outbound_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/outbound"
)

// start serves TLS at a loopback address, and returns the policy with which it can be reached.
func start(t *testing.T, h http.HandlerFunc) (*httptest.Server, outbound.Policy) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, outbound.Policy{Private: true, Roots: rootsOf(s)}
}

func rootsOf(s *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

// names is a resolver that gives the addresses of one lookup after the other, and the last ones from then on.
type names struct {
	answers [][]string
	asked   atomic.Int64
}

func (n *names) LookupNetIP(context.Context, string, string) (all []netip.Addr, err error) {
	i := int(n.asked.Add(1)) - 1
	for _, text := range n.answers[min(i, len(n.answers)-1)] {
		all = append(all, netip.MustParseAddr(text))
	}
	return all, nil
}

// named is the URL of a server under another host, for which its certificate is valid.
func named(s *httptest.Server) string {
	u, _ := url.Parse(s.URL)
	return "https://example.com:" + u.Port()
}

func TestGetReadsADocument(t *testing.T) {
	s, policy := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Error("the request has credentials")
		}
		_, _ = io.WriteString(w, "hello")
	})
	res, err := new(outbound.Client).Get(t.Context(), s.URL, policy)
	if err != nil || string(res.Body) != "hello" {
		t.Errorf("%q, %v", res.Body, err)
	}
}

func TestGetRefusesAddressesAtTheConnection(t *testing.T) {
	var reached atomic.Int64
	s, policy := start(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	policy.Private = false
	port := s.URL[strings.LastIndex(s.URL, ":"):]
	for _, answers := range [][][]string{
		{{"127.0.0.1"}}, {{"::1"}}, {{"::ffff:127.0.0.1"}}, {{"10.0.0.1"}}, {{"169.254.169.254"}}, {{"fd00:ec2::254"}}, {{"64:ff9b::7f00:1"}},
		{{"8.8.8.8", "127.0.0.1"}}, {{"127.0.0.1", "8.8.8.8"}},
	} {
		c := &outbound.Client{Resolver: &names{answers: answers}}
		_, err := c.Get(t.Context(), named(s), policy)
		if wrong := new(outbound.AddressError); !errors.As(err, &wrong) {
			t.Errorf("%v: %v", answers, err)
		}
	}
	for _, host := range []string{"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "0.0.0.0", "[::]"} {
		if _, err := new(outbound.Client).Get(t.Context(), "https://"+host+port, policy); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	for _, host := range []string{"2130706433", "0x7f000001", "0177.0.0.1", "127.1"} { // other forms of 127.0.0.1
		c := &outbound.Client{Resolver: &names{answers: [][]string{{"127.0.0.1"}}}}
		if _, err := c.Get(t.Context(), "https://"+host+port, policy); err == nil {
			t.Errorf("%s was reached", host)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

// A name that has an allowed address when it is checked and another one when the connection is made has no effect,
// because it is resolved once.
func TestGetResolvesANameOnce(t *testing.T) {
	s, policy := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	changing := &names{answers: [][]string{{"127.0.0.1"}, {"169.254.169.254"}}}
	c := &outbound.Client{Resolver: changing}
	if _, err := c.Get(t.Context(), named(s), policy); err != nil || changing.asked.Load() != 1 {
		t.Errorf("%v after %d lookups", err, changing.asked.Load())
	}
	_, err := c.Get(t.Context(), named(s), policy) // the next request checks the new answer
	if wrong := new(outbound.AddressError); !errors.As(err, &wrong) || changing.asked.Load() != 2 {
		t.Errorf("%v after %d lookups", err, changing.asked.Load())
	}
}

func TestGetUsesNoProxyOfTheEnvironment(t *testing.T) {
	s, policy := start(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	c := &outbound.Client{Resolver: &names{answers: [][]string{{"127.0.0.1"}}}}
	if _, err := c.Get(t.Context(), named(s), policy); err != nil || asked.Load() != 0 {
		t.Errorf("%v, the proxy was asked %d times", err, asked.Load())
	}
}

func TestGetChecksRedirects(t *testing.T) {
	mux := http.NewServeMux()
	s, policy := start(t, mux.ServeHTTP)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("http was used") }))
	defer plain.Close()
	to := func(path, target string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			http.Redirect(w, r, target, http.StatusFound)
		})
	}
	to("/http", plain.URL)
	to("/metadata", "https://169.254.169.254/latest")
	to("/user", strings.Replace(s.URL, "https://", "https://a:b@", 1)+"/end")
	to("/loop", "/loop")
	to("/file", "file:///etc/passwd")
	for i := range 5 {
		to(fmt.Sprintf("/%d", i+1), fmt.Sprintf("/%d", i))
	}
	mux.HandleFunc("/0", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" || r.Header.Get("Referer") != "" {
			t.Errorf("the redirected request has %v", r.Header)
		}
		_, _ = io.WriteString(w, "end")
	})
	for path, ok := range map[string]bool{
		"/http": false, "/metadata": false, "/user": false, "/loop": false, "/file": false, "/3": true, "/4": false,
	} {
		if _, err := new(outbound.Client).Get(t.Context(), s.URL+path, policy); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestGetBoundsTheAnswer(t *testing.T) {
	mux := http.NewServeMux()
	s, policy := start(t, mux.ServeHTTP)
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for _, err := w.Write(make([]byte, 4096)); err == nil; _, err = w.Write(make([]byte, 4096)) {
		}
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1048577") })
	mux.HandleFunc("/most", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, outbound.MaxBody)) })
	mux.HandleFunc("/more", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, outbound.MaxBody+1)) })
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(make([]byte, 8<<20))
		_ = z.Close()
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 200 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("a", 1024))
		}
	})
	mux.HandleFunc("/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	mux.HandleFunc("/empty", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for path, want := range map[string]error{
		"/endless": outbound.ErrTooLarge, "/long": outbound.ErrTooLarge, "/more": outbound.ErrTooLarge, "/bomb": outbound.ErrEncoded,
	} {
		if _, err := new(outbound.Client).Get(t.Context(), s.URL+path, policy); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for path, ok := range map[string]bool{"/most": true, "/headers": false, "/error": false, "/empty": false} {
		if _, err := new(outbound.Client).Get(t.Context(), s.URL+path, policy); (err == nil) != ok {
			t.Errorf("%s: %v", path, err)
		}
	}
	policy.MaxBody = 10
	if _, err := new(outbound.Client).Get(t.Context(), s.URL+"/most", policy); !errors.Is(err, outbound.ErrTooLarge) {
		t.Errorf("a lower bound: %v", err)
	}
}

// A server that accepts the connection and then does not go on costs no more than Timeout, wherever it stops.
func TestGetEndsWithoutAnAnswer(t *testing.T) {
	stop := make(chan struct{})
	mux := http.NewServeMux()
	s, policy := start(t, mux.ServeHTTP)
	mux.HandleFunc("/headers", func(http.ResponseWriter, *http.Request) { <-stop })
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and does not speak TLS
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	defer close(stop)
	done := make(chan error)
	for _, address := range []string{s.URL + "/headers", s.URL + "/body", "https://" + silent.Addr().String()} {
		go func() {
			_, err := new(outbound.Client).Get(t.Context(), address, policy)
			done <- err
		}()
	}
	for range 3 { // without a bound the test never ends
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	}
}

// expired serves with a certificate whose time is over.
func expired(t *testing.T, h http.HandlerFunc) (*httptest.Server, outbound.Policy) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, outbound.Policy{Private: true, Roots: rootsOf(s)}
}

func TestGetVerifiesTheServer(t *testing.T) {
	hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	s, policy := start(t, hello)
	old := httptest.NewUnstartedServer(http.HandlerFunc(hello))
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	local := &outbound.Client{Resolver: &names{answers: [][]string{{"127.0.0.1"}}}}
	late, trusted := expired(t, hello)
	for name, c := range map[string]struct {
		address string
		policy  outbound.Policy
	}{
		"expired":               {late.URL, trusted},
		"an unknown authority":  {s.URL, outbound.Policy{Private: true}},
		"no authority":          {s.URL, outbound.Policy{Private: true, Roots: x509.NewCertPool()}},
		"another name":          {strings.Replace(named(s), "example.com", "example.net", 1), policy},
		"TLS 1.1":               {old.URL, policy},
		"http":                  {strings.Replace(s.URL, "https", "http", 1), policy},
		"user information":      {strings.Replace(s.URL, "https://", "https://a@", 1), policy},
		"a fragment":            {s.URL + "/#a", policy},
		"a long address":        {s.URL + "/" + strings.Repeat("a", 3000), policy},
		"no host":               {"https:///path", policy},
		"no URL":                {"https://%zz", policy},
		"another scheme":        {"file:///etc/passwd", policy},
		"an opaque address":     {"https:127.0.0.1", policy},
		"a line break in a URL": {s.URL + "/\r\nX: y", policy},
	} {
		if _, err := local.Get(t.Context(), c.address, c.policy); err == nil {
			t.Errorf("%s: the document was read", name)
		}
	}
}
