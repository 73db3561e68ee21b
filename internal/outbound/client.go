package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// The bounds of a request.
const (
	// Timeout bounds a request with its redirects, from the wait for its turn to the end of the answer.
	Timeout = 5 * time.Second
	// MaxBody is how many bytes the body of an answer may have.
	MaxBody = 1 << 20

	maxHeader    = 64 << 10
	maxRedirects = 3
	maxURL       = 2048
)

// Resolver finds the addresses of a host name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Client makes GET requests. The zero value is ready to use. It keeps no connection after a request. It is safe for
// concurrent use.
type Client struct {
	Resolver Resolver // nil: the resolver of the system
}

// Policy says what a request may do more than usual.
type Policy struct {
	// Private allows loopback addresses and the addresses of private networks.
	Private bool
	// Roots are the certificate authorities that the server's certificate must come from. Nil means those of
	// the system.
	Roots *x509.CertPool
	// MaxBody lowers the bound of the body, in bytes; 0 means the constant MaxBody.
	MaxBody int
}

// Response is a complete answer with status 200.
type Response struct {
	Header http.Header
	Body   []byte
}

// StatusError means that the server answered, but not with status 200.
type StatusError struct{ Status int }

func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answered with status %d", e.Status)
}

// ErrTooLarge means that the body is larger than allowed.
var ErrTooLarge = errors.New("the answer is too large")

// ErrEncoded means that the server compressed the body, for which the request did not ask.
var ErrEncoded = errors.New("the answer is compressed")

// Get reads a document. It returns an error that wraps an *AddressError, a *StatusError, ErrTooLarge or ErrEncoded,
// or another error if the address is not one of https or the server cannot be asked. The error may contain names and
// addresses of the server's network: it is for logs.
func (c *Client) Get(ctx context.Context, address string, p Policy) (Response, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	u, err := url.Parse(address)
	if err != nil {
		return Response{}, fmt.Errorf("read the address: %w", err)
	}
	if err := checkURL(u); err != nil {
		return Response{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Response{}, err
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("User-Agent", "midas")
	res, err := c.client(p).Do(req)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = res.Body.Close() }()
	return read(res, p)
}

// read reads the body of an answer, or says why it is not acceptable.
func read(res *http.Response, p Policy) (Response, error) {
	limit := p.MaxBody
	if limit == 0 || limit > MaxBody {
		limit = MaxBody
	}
	switch encoding := res.Header.Get("Content-Encoding"); {
	case res.StatusCode != http.StatusOK:
		return Response{}, &StatusError{res.StatusCode}
	case encoding != "" && encoding != "identity":
		return Response{}, ErrEncoded
	case res.ContentLength > int64(limit):
		return Response{}, ErrTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	if err != nil {
		return Response{}, fmt.Errorf("read the answer: %w", err)
	}
	if len(body) > limit {
		return Response{}, ErrTooLarge
	}
	return Response{Header: res.Header, Body: body}, nil
}

// client makes the HTTP client of one request. Its transport ends with the request, because it keeps no connection.
func (c *Client) client(p Policy) *http.Client {
	d := dialer{resolver: c.Resolver, private: p.Private}
	return &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                  nil, // HTTPS_PROXY of the environment is for other programs
			DialContext:            d.dial,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.Roots},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeader,
		},
	}
}

// checkRedirect refuses a redirect to an address to which a request would be refused, and the fourth redirect.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("the server redirects more than %d times", maxRedirects)
	}
	req.Header.Del("Referer")
	return checkURL(req.URL)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https" || u.Hostname() == "":
		return errors.New("the address is not an https URL with a host")
	case u.User != nil || u.Fragment != "":
		return errors.New("the address has user information or a fragment")
	case len(u.String()) > maxURL:
		return fmt.Errorf("the address has more than %d bytes", maxURL)
	}
	return nil
}
