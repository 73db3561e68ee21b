package midas

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
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
	hosts *localca.HostCA // for the client certificates of hosts
}

func openAuthorities(data string, names []string, log *slog.Logger) (a authorities, err error) {
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
	if a.hosts, err = localca.OpenHosts(dir, time.Now); err != nil {
		return a, err
	}
	for _, ca := range a.all() {
		ca.LogTo(log)
	}
	return a, nil
}

func (a authorities) all() []*localca.CA { return []*localca.CA{a.local, a.azure, a.hosts.CA()} }

// config is the TLS configuration of the main listener. A client certificate is optional there. A client
// that sends one must be a host.
func (a authorities) config() (*tls.Config, error) {
	config, err := a.local.ServerConfig(a.azure)
	if err != nil {
		return nil, err
	}
	return a.hosts.ClientConfig(config), nil
}

// renew returns a job that renews the authorities until its context ends.
func (a authorities) renew(log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error { return localca.Run(ctx, log, a.all()...) }
}
