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
	"midas/internal/atomicfile"
	"midas/internal/cluster"
	"midas/internal/datadir"
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

// openCluster starts the member of a data folder, and waits until a majority of the members answers.
func openCluster(ctx context.Context, data string, o engineOptions) (store.Engine, error) {
	m, err := cluster.Open(ctx, cluster.Config{Data: data, Now: time.Now, Log: o.log})
	if err != nil {
		return nil, err
	}
	config, err := m.TLS()
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	e, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{m.Endpoint()}, Prefix: clusterPrefix, TLS: config}, etcd.Options{Log: o.log})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &memberEngine{e, m}, nil
}

// Close implements store.Engine.
func (e *memberEngine) Close() error { return errors.Join(e.Engine.Close(), e.member.Close()) }

// prepareCluster makes the member of the data folder at its first start: as the first of a cluster, or as one more. It
// returns the origin of the installation that the member has joined, if there is one.
func (s *Server) prepareCluster(ctx context.Context, dir *datadir.Dir) (origin string, err error) {
	if s.cfg.Store != clusterScheme+s.cfg.Data {
		return "", nil
	}
	if cluster.Exists(s.cfg.Data) {
		return cluster.Origin(s.cfg.Data)
	}
	_, missing := dir.Master()
	if err := s.cfg.checkFolder(missing == nil); err != nil {
		return "", err
	}
	if !s.cfg.Cluster.Init && s.cfg.Cluster.Join == "" {
		return "", fmt.Errorf("%s has no member of a cluster: begin one with --cluster-init, or join one with --join URL --token TOKEN", s.cfg.Data)
	}
	listen, advertise, err := s.cfg.peerAddress()
	if err != nil {
		return "", err
	}
	config, at := cluster.Config{Data: s.cfg.Data, Now: time.Now, Log: s.log}, cluster.Address{Listen: listen, Advertise: advertise}
	switch {
	case s.cfg.Cluster.Init:
		return "", cluster.Begin(config, at)
	case s.cfg.Cluster.Token == "":
		return "", errors.New("--join needs --token: make one with `midas cluster token` on a server of the cluster")
	}
	by := cluster.Invitation{URL: s.cfg.Cluster.Join, Token: cluster.Token(s.cfg.Cluster.Token), Program: Version()}
	if err := cluster.Join(ctx, config, at, by, func(a cluster.JoinAnswer) error { return s.keep(dir, a, advertise) }); err != nil {
		return "", err
	}
	s.log.InfoContext(ctx, "this machine has joined the cluster", "at", s.cfg.Cluster.Join, "member", advertise)
	return cluster.Origin(s.cfg.Data)
}

// keep writes the master key of an answer.
func (s *Server) keep(dir *datadir.Dir, a cluster.JoinAnswer, advertise string) error {
	if s.cfg.MasterKey.explicit() {
		return nil
	}
	key, ok := datadir.ParseMaster(a.Files[datadir.MasterFile])
	if !ok {
		return fmt.Errorf("the servers of the cluster have a master key outside of their data folders: name it with --master-key; before that, run `midas cluster remove %s` on one of them", advertise)
	}
	return atomicfile.Create(dir.Path(datadir.MasterFile), datadir.EncodeMaster(key), 0o600)
}

// handOver adds to an answer what a new replica needs: the origin, and the master key if it is in the data folder.
func (s *Server) handOver(ctx context.Context, dir *datadir.Dir, out *cluster.JoinAnswer) error {
	out.Origin = s.services.origin
	if s.cfg.MasterKey.explicit() {
		return nil
	}
	key, err := s.cfg.master(ctx, dir)
	if err != nil {
		return err
	}
	out.Files = map[string][]byte{datadir.MasterFile: datadir.EncodeMaster(key)}
	return nil
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
		HandOver: func(ctx context.Context, out *cluster.JoinAnswer) error { return s.handOver(ctx, dir, out) },
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
