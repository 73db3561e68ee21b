package midas

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"midas/internal/datadir"
	"midas/internal/localca"
)

// Admin is where a server is and who its administrator is, as admin.json holds it.
type Admin = datadir.Admin

// Client is the administrator of a server, who trusts the server's own certificate authority and no
// other.
type Client struct {
	Admin
	CAFile string // ca.pem, an absolute path
	HTTP   *http.Client
}

// maxAnswer bounds what a Client reads.
const maxAnswer = 1 << 20

// OpenClient reads the credentials in a data folder. The server need not be running.
func OpenClient(data string) (*Client, error) {
	admin, err := datadir.ReadAdmin(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s in %s: start the server first (midas serve), or name its folder with --data", datadir.AdminFile, data)
	}
	if err != nil {
		return nil, err
	}
	ca, err := filepath.Abs(filepath.Join(data, localca.CertificateFile))
	if err != nil {
		return nil, fmt.Errorf("find the local CA: %w", err)
	}
	block, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("read the local CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(block) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	return &Client{Admin: admin, CAFile: ca, HTTP: &http.Client{Transport: transport, Timeout: 30 * time.Second}}, nil
}

// Token asks the server for an access token for a resource, as any application does.
func (c *Client) Token(ctx context.Context, resource string) (string, error) {
	form := url.Values{
		"grant_type":    {"client_credentials"},
		"client_id":     {c.ClientID},
		"client_secret": {string(c.ClientSecret)},
		"scope":         {resource + "/.default"},
	}
	endpoint := c.Endpoint + "/" + c.TenantID + "/oauth2/v2.0/token"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.HTTP.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "", fmt.Errorf("get token: no server answers at %s; is midas serve running?", c.Endpoint)
	}
	if err != nil {
		return "", fmt.Errorf("get token: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
		Description string `json:"error_description"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("get token: the answer, %s, is not JSON: %w", resp.Status, err)
	}
	if resp.StatusCode != http.StatusOK || answer.AccessToken == "" {
		return "", fmt.Errorf("get token: %s: %s", resp.Status, answer.Description)
	}
	return answer.AccessToken, nil
}
