package midas

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"midas/internal/localca"
)

// hostsCAFolder is the folder, in the data folder, of the authority for hosts.
const hostsCAFolder = "hosts-ca"

// authorities are the certificate authorities of a server.
type authorities struct {
	local *localca.CA     // for the server's own names
	azure *localca.CA     // for Azure's names
	hosts *localca.HostCA // for the hosts that speak for resources
}

func openAuthorities(data string, names []string) (a authorities, err error) {
	if a.local, err = localca.Open(data, time.Now, names...); err != nil {
		return a, err
	}
	if a.azure, err = openAzureCA(data); err != nil {
		return a, err
	}
	dir := filepath.Join(data, hostsCAFolder)
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return a, fmt.Errorf("make the folder of the CA for hosts: %w", err)
	}
	a.hosts, err = localca.OpenHosts(dir, time.Now)
	return a, err
}

// config is the TLS configuration of the main listener. Clients need no certificate there. One that
// is shown must be a host's.
func (a authorities) config() (*tls.Config, error) {
	config, err := a.local.ServerConfig(a.azure)
	if err != nil {
		return nil, err
	}
	config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, a.hosts.Pool()
	return config, nil
}
