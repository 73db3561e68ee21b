package localca

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// AzureFolder is the folder, in the data folder, of the authority for Azure's host names.
const AzureFolder = "azure-ca"

// hostsFolder is the folder, in the data folder, of the authority for hosts.
const hostsFolder = "hosts-ca"

// Authorities are the three certificate authorities of a server.
//
// The authority for Azure's names is separate from the one for the server's own names: users install that
// one in their browsers and operating systems, and must not thereby trust this server as Azure. Only a
// command under "midas exec" trusts both.
type Authorities struct {
	Local *CA     // for the server's own names
	Azure *CA     // for Azure's host names
	Hosts *HostCA // for the client certificates of hosts
}

// AuthoritiesConfig is the configuration of OpenAuthorities. All fields are required.
type AuthoritiesConfig struct {
	Folder     string           // the data folder
	Now        func() time.Time // the clock by which certificates are issued and renewed
	Names      []string         // the server's own names, besides localhost
	AzureNames []string         // Azure's host names
	Log        *slog.Logger
}

// OpenAuthorities reads the authorities of a data folder, and makes those that are missing.
func OpenAuthorities(c AuthoritiesConfig) (a Authorities, err error) {
	if a.Local, err = Open(c.Folder, c.Now, c.Names...); err != nil {
		return a, err
	}
	dir, err := makeFolder(c.Folder, AzureFolder)
	if err != nil {
		return a, err
	}
	if a.Azure, err = OpenFor(dir, c.Now, c.AzureNames...); err != nil {
		return a, err
	}
	if dir, err = makeFolder(c.Folder, hostsFolder); err != nil {
		return a, err
	}
	if a.Hosts, err = OpenHosts(dir, c.Now); err != nil {
		return a, err
	}
	for _, ca := range a.all() {
		ca.LogTo(c.Log)
	}
	return a, nil
}

func makeFolder(parent, name string) (string, error) {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("make the folder of the CA: %w", err)
	}
	return dir, nil
}

func (a Authorities) all() []*CA { return []*CA{a.Local, a.Azure, a.Hosts.CA()} }

// ServerConfig is the TLS configuration of a server with the server's and Azure's names. A client
// certificate is optional. A client that sends one must be a host.
func (a Authorities) ServerConfig() (*tls.Config, error) {
	config, err := a.Local.ServerConfig(a.Azure)
	if err != nil {
		return nil, err
	}
	return a.Hosts.ClientConfig(config), nil
}

// Renew returns a job that renews the authorities until its context ends.
func (a Authorities) Renew(log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error { return Run(ctx, log, a.all()...) }
}
