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

// HostsFolder is the folder, in the data folder, of the authority for hosts of earlier versions, and of
// servers whose store is in memory.
const HostsFolder = "hosts-ca"

// Authorities are the three certificate authorities of a server.
//
// The authority for Azure's names is separate from the one for the server's own names: users install that
// one in their browsers and operating systems, and must not thereby trust this server as Azure. Only a
// command under "midas exec" trusts both.
type Authorities struct {
	Local *CA     // for the server's own names
	Azure *CA     // for Azure's host names
	Hosts *HostCA // for the client certificates of hosts

	// Own returns the operator's certificate for the server's own names; nil without one. See ServerConfig.
	Own func() *tls.Certificate
}

// The names of the authorities in a Storage.
const (
	LocalAuthority = "local"
	AzureAuthority = "azure"
	HostsAuthority = "hosts"
)

// AuthoritiesConfig is the configuration of OpenAuthorities. All fields but Begin and Trusted are required.
type AuthoritiesConfig struct {
	Folder     string           // the data folder: of ca.pem, azure-ca/ca.pem, and the server certificates of this replica
	Now        func() time.Time // the clock by which certificates are issued and renewed
	Names      []string         // the server's own names, besides localhost
	AzureNames []string         // Azure's host names
	Log        *slog.Logger
	// Begin returns the time from which new certificates are valid; nil means Now. The clock of a laboratory can be ahead
	// of the clocks of its clients, which would not accept a certificate of tomorrow.
	Begin   func() time.Time
	Trusted []byte // further certificates for ca.pem, see CA.Trust; nil if there are none

	// Storage returns the storage of the authority with a name. folder is where earlier versions, and servers
	// whose store is in memory, have its files.
	Storage func(name, folder string) (Storage, error)
}

// OpenAuthorities reads the authorities, and makes those that are missing.
func OpenAuthorities(ctx context.Context, c AuthoritiesConfig) (a Authorities, err error) {
	azure, err := makeFolder(c.Folder, AzureFolder)
	if err != nil {
		return a, err
	}
	at := func(name, folder string) (place, error) {
		storage, err := c.Storage(name, folder)
		return place{dir: folder, storage: storage, begin: c.Begin}, err
	}
	local, err := at(LocalAuthority, c.Folder)
	if err != nil {
		return a, err
	}
	foreign, err := at(AzureAuthority, azure)
	if err != nil {
		return a, err
	}
	hosts, err := at(HostsAuthority, filepath.Join(c.Folder, HostsFolder))
	if err != nil {
		return a, err
	}
	if _, files := hosts.storage.(FileStorage); !files {
		hosts.dir = "" // only servers need this certificate, and they have it from the storage
	}
	local.others = c.Trusted
	if a.Local, err = openNamed(ctx, local, c.Now, localNames(c.Names)); err != nil {
		return a, err
	}
	if a.Azure, err = openNamed(ctx, foreign, c.Now, c.AzureNames); err != nil {
		return a, err
	}
	if a.Hosts, err = openHosts(ctx, hosts, c.Now); err != nil {
		return a, err
	}
	for _, ca := range a.all() {
		ca.LogTo(c.Log)
	}
	return a, nil
}

// memoryFolder is the folder, in that of an authority, of the authority of a server whose store is in memory, when
// ca.pem is the copy of an authority in a durable store.
const memoryFolder = "memory-ca"

// InFiles returns the storage of an authority in its folder, which it creates.
func InFiles(_, folder string) (Storage, error) {
	files := FileStorage{folder}
	key, certificate := files.Names()
	if !exists(key) && exists(certificate) {
		files.Folder = filepath.Join(folder, memoryFolder)
	}
	if err := os.MkdirAll(files.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the CA: %w", err)
	}
	return files, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func makeFolder(parent, name string) (string, error) {
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("make the folder of the CA: %w", err)
	}
	return dir, nil
}

func (a Authorities) all() []*CA { return []*CA{a.Local, a.Azure, a.Hosts.CA()} }

// ServerConfig are the TLS configurations of a server with the server's and Azure's names: of the main listener, and
// of one that agents alone use, where clients never get the operator's certificate. A client certificate is optional.
// A client that sends one must be a host.
func (a Authorities) ServerConfig() (main, agents *tls.Config, err error) {
	config, err := a.Local.ServerConfig(a.Azure)
	if err != nil {
		return nil, nil, err
	}
	agents = a.Hosts.ClientConfig(config.Clone())
	if a.Own != nil {
		config.GetCertificate = a.selector(config.GetCertificate)
	}
	return a.Hosts.ClientConfig(config), agents, nil
}

// Renew returns a job that renews the authorities until its context ends.
func (a Authorities) Renew(log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error { return Run(ctx, log, a.all()...) }
}
