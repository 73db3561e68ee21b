//go:build cluster

package midas

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"midas/internal/api/httpx"
	"midas/internal/cluster"
	"midas/internal/datadir"
	"midas/internal/host"
	"midas/internal/installation"
	"midas/internal/localca"
	"midas/internal/store"
	"midas/internal/store/etcd"
)

// clusterPrefix is the prefix of the store's keys in the embedded etcd.
const clusterPrefix = "/midas"

// memberEngine is the engine of a store in the embedded etcd, which ends with the engine.
type memberEngine struct {
	*etcd.Engine
	member *cluster.Member
}

// fullAdvice is what the log says when the database of the embedded etcd is full.
const fullAdvice = "Midas compacts and defragments it within a minute; if that does not suffice, the log says so"

// openCluster starts the member of a data folder, and waits until a majority of the members answers.
func openCluster(ctx context.Context, data string, o engineOptions) (store.Engine, error) {
	m, err := cluster.Open(ctx, memberConfig(data, o))
	if err != nil {
		return nil, err
	}
	config, err := m.TLS()
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	var e *etcd.Engine
	err = withMajority(ctx, m.Wait, func(ctx context.Context) (err error) {
		e, err = etcd.Open(ctx, etcd.Config{Endpoints: []string{m.Endpoint()}, Prefix: clusterPrefix, TLS: config}, etcd.Options{Log: o.log, Full: fullAdvice})
		return err
	})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &memberEngine{e, m}, nil
}

// openAttempts is how often the store of a member is opened while a majority answers.
const openAttempts = 3

// withMajority opens the store of a member. If that fails, it waits for a majority and tries again: the majority may have
// been lost since the member was ready, and a member that ends because of that is missing to the others.
func withMajority(ctx context.Context, wait, open func(context.Context) error) (err error) {
	for range openAttempts {
		if err = open(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
	return err
}

// memberConfig is the configuration of the member in a data folder.
func memberConfig(data string, o engineOptions) cluster.Config {
	return cluster.Config{Data: data, Now: time.Now, Log: o.log, Quota: o.maxSize}
}

// Close implements store.Engine.
func (e *memberEngine) Close() error { return errors.Join(e.Engine.Close(), e.member.Close()) }

// prepareCluster makes the member of the data folder at its first start: as the first of a cluster, or as one more. It
// returns the origin of the installation that the member has joined, if there is one.
func prepareCluster(ctx context.Context, cfg Config, dir *datadir.Dir) (origin string, err error) {
	if cfg.Store != clusterScheme+cfg.Data {
		return "", nil
	}
	if cluster.Exists(cfg.Data) {
		return cluster.Origin(cfg.Data)
	}
	if err := cfg.checkFolder(); err != nil {
		return "", err
	}
	if !cfg.Cluster.Init && cfg.Cluster.Join == "" {
		return "", fmt.Errorf("%s has no member of a cluster: begin one with --cluster-init, or join one with --join URL --token TOKEN", cfg.Data)
	}
	listen, advertise, err := cfg.peerAddress()
	if err != nil {
		return "", err
	}
	config, at := memberConfig(cfg.Data, engineOptions{log: cfg.logger()}), cluster.Address{Listen: listen, Advertise: advertise}
	switch {
	case cfg.Cluster.Init:
		if err := cluster.Begin(config, at); err != nil {
			return "", err
		}
		if host.IsLoopback(advertise) {
			config.Log.WarnContext(ctx, "no other machine can join this cluster, because its first member has an address of this machine alone: "+
				"begin it with --listen HOST:PORT, or --advertise HOST:PORT, of an address that other machines reach", "member", advertise)
		}
		return "", nil
	case cfg.Cluster.Token == "":
		return "", errors.New("--join needs --token: make one with `midas cluster token` on a server of the cluster")
	}
	by := joiner{cfg, dir}.invitation(ctx)
	if err := cluster.Join(ctx, config, at, by); err != nil {
		return "", err
	}
	config.Log.InfoContext(ctx, "this machine has joined the cluster", "at", cfg.Cluster.Join, "member", advertise)
	return cluster.Origin(cfg.Data)
}

// handOver is what a joining machine needs besides membership: the origin, and the master key if it is in the data
// folder. A master key from elsewhere is not sent; its fingerprint lets the machine find out whether it has the same.
func (s *Server) handOver(ctx context.Context, dir *datadir.Dir) (offer cluster.Offer, err error) {
	key, err := s.cfg.master(ctx)
	if err != nil {
		return offer, err
	}
	_, err = installation.Check(ctx, s.cfg.installation(s.services.store, key, ""))
	if errors.Is(err, installation.ErrMaster) {
		return offer, cluster.Refuse("the master key of this server is not that of the cluster any more: give this server the new one, or join at another server")
	}
	if err != nil {
		return offer, err
	}
	offer.Origin, offer.Time = s.services.origin, time.Now()
	if !s.cfg.MasterKey.explicit() {
		offer.Files = map[string][]byte{datadir.MasterFile: datadir.EncodeMaster(key)}
	}
	offer.MasterKey, err = key.Fingerprint()
	return offer, err
}

// embeddedMember is the member of a server.
type embeddedMember struct {
	*cluster.Member
	ca string // the file with the certificate that tokens pin
}

// member is this server's member of an embedded cluster; nil if it has none.
func (s *Server) member() member {
	e, ok := s.services.store.engine.(*memberEngine)
	if !ok {
		return nil
	}
	return &embeddedMember{e.member, s.caFile}
}

// joinHandler serves machines that join; nil if there is no embedded cluster.
func (s *Server) joinHandler(dir *datadir.Dir) httpx.Handler {
	m, ok := s.member().(*embeddedMember)
	if !ok {
		return nil
	}
	return &cluster.Handler{
		Member: m.Member, Pinned: m.pinned,
		HandOver: func(ctx context.Context) (cluster.Offer, error) { return s.handOver(ctx, dir) },
	}
}

// pinned is the authority of the main listener's certificate. When it is issued anew, it keeps its key.
func (m *embeddedMember) pinned() (*x509.Certificate, error) {
	text, err := os.ReadFile(m.ca)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", localca.CertificateFile, err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s has no certificate", m.ca)
	}
	return x509.ParseCertificate(block.Bytes)
}

// ClusterStatus implements control.Cluster.
func (m *embeddedMember) ClusterStatus(ctx context.Context) ([]byte, error) {
	status, err := m.Status(ctx)
	if err != nil {
		return nil, err
	}
	return json.Marshal(status)
}

// ClusterToken implements control.Cluster.
func (m *embeddedMember) ClusterToken(ctx context.Context, life time.Duration) (string, error) {
	pinned, err := m.pinned()
	if err != nil {
		return "", err
	}
	token, err := m.NewToken(ctx, pinned, life)
	return string(token), err
}

// RemoveMember implements control.Cluster.
func (m *embeddedMember) RemoveMember(ctx context.Context, name string) error {
	return m.Remove(ctx, name)
}

// knownCluster is the status that the member of a data folder knows without a running server.
func knownCluster(ctx context.Context, cfg Config) ([]byte, error) {
	status, err := cluster.Known(ctx, memberConfig(cfg.Data, engineOptions{log: cfg.logger()}))
	if err != nil {
		return nil, err
	}
	return json.Marshal(status)
}

// resetCluster makes the member of a data folder the only one of its cluster.
func resetCluster(ctx context.Context, cfg Config) error {
	return cluster.Reset(ctx, memberConfig(cfg.Data, engineOptions{log: cfg.logger(), maxSize: int64(cfg.Cluster.MaxSize)}))
}
