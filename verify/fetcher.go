package verify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// maxDocument is how many bytes of a discovery document or of a key set are read.
	maxDocument = 1 << 20

	// maxList is how many bytes of a list of revocations are read: about 190,000 entries. A list that is cut off
	// would let revoked tokens pass, and a list that is refused ends the service, so it has more room.
	maxList = 16 << 20

	// fetchTimeout is how long one request may take, from the connection to the last byte.
	fetchTimeout = 5 * time.Second

	// maxHeaders is how many bytes of headers an answer may have.
	maxHeaders = 64 << 10
)

// errRedirect is the error of a redirect. The issuer names its addresses in its discovery document, so an answer
// that leads elsewhere is not followed.
var errRedirect = errors.New("the server redirects, and redirects are not followed")

// statusError is the error of an answer that is not a document.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("the server answered with status %d", int(e)) }

// fetcher gets the documents of the issuer.
type fetcher struct {
	client *http.Client
	own    bool // the transport is the fetcher's own
}

// newFetcher makes the client for requests. The roots are those of WithCA, or nil for those of the machine. A
// client of the caller is copied: redirects, cookies and its missing timeout are changed in the copy only.
func newFetcher(client *http.Client, roots *x509.CertPool) *fetcher {
	f := &fetcher{own: client == nil}
	if client == nil {
		client = &http.Client{Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTimeout,
			ResponseHeaderTimeout:  fetchTimeout,
			IdleConnTimeout:        90 * time.Second,
			MaxIdleConns:           2,
			MaxResponseHeaderBytes: maxHeaders,
			ForceAttemptHTTP2:      true,
		}}
	}
	limited := *client
	limited.Jar = nil
	limited.CheckRedirect = func(*http.Request, []*http.Request) error { return errRedirect }
	if limited.Timeout <= 0 || limited.Timeout > fetchTimeout {
		limited.Timeout = fetchTimeout
	}
	f.client = &limited
	return f
}

// close closes idle connections, unless they are of a client that the caller may use for other things.
func (f *fetcher) close() {
	if f.own {
		f.client.CloseIdleConnections()
	}
}

// request is what get asks for.
type request struct {
	url   string
	tag   string // of an earlier answer, or ""
	limit int    // how many bytes of the answer are read at most
}

// get fetches a document. With the tag of an earlier answer, the document is nil if it has not changed since.
func (f *fetcher) get(ctx context.Context, r request) (document []byte, newTag string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, "", err
	}
	if r.tag != "" {
		req.Header.Set("If-None-Match", r.tag)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && r.tag != "" {
		return nil, r.tag, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("GET %s: %w", r.url, statusError(resp.StatusCode))
	}
	document, err = io.ReadAll(io.LimitReader(resp.Body, int64(r.limit)+1))
	if err != nil {
		return nil, "", fmt.Errorf("GET %s: %w", r.url, err)
	}
	if len(document) > r.limit {
		return nil, "", fmt.Errorf("GET %s: the answer is longer than %d bytes", r.url, r.limit)
	}
	return document, resp.Header.Get("ETag"), nil
}
