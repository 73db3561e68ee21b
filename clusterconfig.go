package midas

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"midas/internal/cluster"
)

// ClusterConfig configures the embedded cluster: an etcd inside of the server, which needs no operator. Init and Join
// have an effect at the first start only. A data folder that has a member of a cluster starts this member.
type ClusterConfig struct {
	// Init begins a new cluster, whose first member is this server.
	Init bool `yaml:"init"`

	// Join is the URL of a server of the cluster that this server joins, such as https://m1:8443.
	Join string `yaml:"join"`

	// Token is the token for Join, which "midas cluster token" prints on a server of the cluster. It is good once.
	Token string `yaml:"token"`

	// PeerListen is the address on which the member listens for the other members, IP:PORT, with mutual TLS.
	// Default: Advertise if that has an IP address, else all addresses
	PeerListen string `yaml:"peerListen"`

	// Advertise is the address under which the other members reach this one, HOST:PORT. It cannot change later.
	// Default: the host of Listen with port 2380; if Listen has none, the address from which this machine reaches Join
	Advertise string `yaml:"advertise"`

	// MaxSize is the size of the database beyond which writes are refused. It must be the same on all machines. It may be
	// raised at any start, and etcd becomes slow to start and to recover with more than the default. Default: 8GiB
	MaxSize Size `yaml:"maxSize"`
}

// minClusterSize is the least ClusterConfig.MaxSize.
const minClusterSize = 16 << 20

// clusterScheme begins the name of the store of an embedded cluster; the data folder follows.
const (
	clusterScheme   = "cluster:"
	clusterLocation = "the data folder"
)

const defaultPeerPort = "2380"

// storeOf is the Config.Store of a data folder whose configuration names none.
func (c Config) storeOf() string {
	if c.Cluster.Init || c.Cluster.Join != "" || cluster.Exists(c.Data) {
		return clusterScheme + c.Data
	}
	return defaultStore(c.Data)
}

// check returns an error that names the first invalid setting.
func (c ClusterConfig) check(cfg Config) error {
	switch {
	case c == ClusterConfig{}:
		return nil
	case c.Init && c.Join != "":
		return errors.New("cluster: init begins a new cluster and join joins another one: choose one of them")
	case (c.Init || c.Join != "") && cfg.Store != clusterScheme+cfg.Data:
		return errors.New("cluster: the store of an embedded cluster is in the data folder: leave the store out")
	case cfg.Lab:
		return errors.New("cluster: a laboratory has well-known secrets and is for one machine: leave lab out")
	}
	if c.MaxSize != 0 && c.MaxSize < minClusterSize {
		return errors.New("cluster.maxSize: at least 16MiB is needed")
	}
	if host, port, err := net.SplitHostPort(c.PeerListen); c.PeerListen != "" && (err != nil || !isPort(port) || host != "" && net.ParseIP(host) == nil) {
		return fmt.Errorf("cluster.peerListen: %q is not IP:PORT, such as 10.0.0.1:2380", c.PeerListen)
	}
	return nil
}

// peerAddress is the address of the member that the configuration makes: where it listens, and under which address
// others reach it.
func (c Config) peerAddress() (listen, advertise string, err error) {
	advertise = c.Cluster.Advertise
	if advertise == "" {
		if advertise, err = c.peerHost(); err != nil {
			return "", "", err
		}
	}
	host, port, err := net.SplitHostPort(advertise)
	if err != nil {
		host, port = strings.Trim(advertise, "[]"), defaultPeerPort
		advertise = net.JoinHostPort(host, port)
	}
	if host == "" || !isPort(port) || strings.ContainsAny(host, "/, =") {
		return "", "", fmt.Errorf("cluster.advertise: %q is not HOST:PORT, such as 10.0.0.1:2380", c.Cluster.Advertise)
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		return "", "", fmt.Errorf("cluster.advertise: the others cannot reach this machine under %s", host)
	}
	listen = c.Cluster.PeerListen
	if listen == "" {
		if listen = advertise; net.ParseIP(host) == nil {
			listen = net.JoinHostPort("0.0.0.0", port)
		}
	}
	if strings.HasPrefix(listen, ":") {
		listen = "0.0.0.0" + listen
	}
	return listen, advertise, nil
}

// peerHost is the host of Listen or, if Listen has none, the address from which this machine reaches the one that it joins.
func (c Config) peerHost() (string, error) {
	host, _, _ := net.SplitHostPort(c.Listen) // check has returned its error
	if host == "localhost" {
		return "127.0.0.1", nil
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return host, nil
	}
	u, err := url.Parse(c.Cluster.Join)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("cluster: name the HOST:PORT under which the other machines reach this one with --advertise")
	}
	conn, err := net.Dial("udp", net.JoinHostPort(u.Hostname(), defaultPeerPort)) // this sends nothing
	if err != nil {
		return "", fmt.Errorf("cluster: name the HOST:PORT under which the other machines reach this one with --advertise: %w", err)
	}
	defer conn.Close()
	host, _, err = net.SplitHostPort(conn.LocalAddr().String())
	return host, err
}

// checkFolder refuses a data folder that already has a store.
func (c Config) checkFolder() error {
	entries, err := os.ReadDir(filepath.Join(c.Data, "store"))
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%s has a store for one machine. To make a cluster of it, save it with `midas backup FILE`, and restore the file into a new cluster with `midas restore FILE --cluster-init --data NEW`: docs/cluster.md has the commands", c.Data)
	}
	return nil
}
