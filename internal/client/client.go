// Package client is the client of a server for the command line. It gets tokens from the token endpoint and
// sends requests to Azure Resource Manager and Microsoft Graph with the administrator's token. They are
// authorized and logged like the requests of any other client.
//
// The credentials come from a data folder (see datadir). The address of the server comes from the folder's
// control socket, or else from the endpoint in the folder.
package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"

	"midas/internal/azure"
	"midas/internal/control"
	"midas/internal/datadir"
	"midas/internal/localca"
)

// Client is the administrator of a server. It trusts the server's own certificate authority and no other.
type Client struct {
	datadir.Admin
	Data        string // the data folder, an absolute path
	CAFile      string // ca.pem, an absolute path
	AzureCAFile string // the ca.pem of the authority for Azure's host names
	HTTP        *http.Client
	NewID       func() string // a GUID, for the names of role assignments
}

// Open reads the credentials in a data folder. The server need not be running.
func Open(data string) (*Client, error) {
	admin, err := datadir.ReadAdmin(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s in %s: start the server first (midas serve), or name its folder with --data", datadir.AdminFile, data)
	}
	if err != nil {
		return nil, err
	}
	if data, err = filepath.Abs(data); err != nil {
		return nil, fmt.Errorf("find the data folder: %w", err)
	}
	c := &Client{
		Admin: admin, Data: data, CAFile: filepath.Join(data, localca.CertificateFile),
		AzureCAFile: filepath.Join(data, localca.AzureFolder, localca.CertificateFile), NewID: uuid.NewString,
	}
	roots, own, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, NextProtos: localca.Protocols(own)}
	transport.DialContext = c.dial
	c.HTTP = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return c, nil
}

// readRoots reads a file of certificates into a pool that contains no others. It also returns the content.
func readRoots(file string) (roots *x509.CertPool, text []byte, err error) {
	if text, err = os.ReadFile(file); err != nil {
		return nil, nil, fmt.Errorf("read the local CA: %w", err)
	}
	roots = x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, nil, fmt.Errorf("%s contains no certificate", file)
	}
	return roots, text, nil
}

// Server finds the server of the data folder and checks that it runs and serves Azure's host names. It
// returns HOST:PORT: the address of its listener if it runs on this machine, else that of its endpoint.
func (c *Client) Server(ctx context.Context) (string, error) {
	address, err := c.address(ctx)
	if err != nil {
		return "", err
	}
	roots, _, err := readRoots(c.AzureCAFile)
	if err != nil {
		return "", fmt.Errorf("%w; the server's next start makes it", err)
	}
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{Timeout: 10 * time.Second},
		Config:    &tls.Config{RootCAs: roots, ServerName: azure.ManagementHost},
	}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "", fmt.Errorf("no server answers at %s; is midas serve running on %s?", address, c.Data)
	}
	if err != nil {
		return "", fmt.Errorf("the program that answers at %s is not the server of %s: %w", address, c.Data, err)
	}
	_ = conn.Close() // the handshake was the check
	return address, nil
}

// dial connects to the server of the data folder if it runs on this machine, even if its endpoint is that of another
// replica or of a load balancer in front of them, so that commands work on every replica that runs.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if endpoint, err := c.EndpointAddress(); err == nil && address == endpoint {
		if running, err := control.Dial(ctx, datadir.Socket(c.Data)); err == nil {
			if local, err := running.Address(ctx); err == nil && local != "" {
				address = local
			}
		}
	}
	return (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext(ctx, network, address)
}

func (c *Client) address(ctx context.Context) (string, error) {
	running, err := control.Dial(ctx, datadir.Socket(c.Data))
	if err == nil {
		return running.Address(ctx)
	}
	if !errors.Is(err, control.ErrNotRunning) && !errors.Is(err, control.ErrPathTooLong) {
		return "", err
	}
	return c.EndpointAddress()
}

// EndpointAddress is the HOST:PORT of the server's endpoint.
func (c *Client) EndpointAddress() (string, error) {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return "", fmt.Errorf("endpoint of the server: %w", err)
	}
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port), nil
	}
	return net.JoinHostPort(u.Hostname(), "443"), nil
}
