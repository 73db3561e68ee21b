//go:build cluster

package cluster

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Settings of etcd, for machines with little memory and for the transactions of package store.
const (
	// DefaultQuota is the size of a database in bytes. etcd recommends no larger ones.
	DefaultQuota = 8 << 30

	maxRequest      = 2 << 20 // bytes; store.MaxTransaction and the keys of etcd's own fit
	snapshotEvery   = 5000    // entries of the log; these and catchUp entries are in memory
	catchUp         = 2000
	compactionAfter = "5m" // a feed that is older lists again
	maxLearners     = 3
)

// ErrRemoved says that this member was removed from its cluster.
var ErrRemoved = errors.New("this machine was removed from the cluster: to add it again, move its data folder away, " +
	"make a token with `midas cluster token` on a member, and start it with --join and --token")

func newID() (string, error) {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return hex.EncodeToString(raw), nil
}

// start starts etcd, and watches for its end. alone makes this member the only one of the cluster.
func (m *Member) start(ctx context.Context, alone bool) (err error) {
	if m.front, err = newFront(m.folder, m.state.Listen, m.log); err != nil {
		return m.explain(err)
	}
	for attempt := 0; ; attempt++ {
		m.refresh(ctx)
		if err = m.begin(alone); err == nil {
			break
		}
		if attempt == 5 || !passing(err) {
			m.front.close()
			return m.explain(err)
		}
	}
	m.front.serve()
	m.client = v3client.New(m.etcd.Server)
	go m.watch()
	return nil
}

// passing reports whether another start may succeed. A member at its first start must know all others, and another
// machine may join in the meantime. Another program may get the port of freePort first.
func passing(err error) bool {
	return strings.Contains(err.Error(), "error validating peerURLs") || strings.Contains(err.Error(), "address already in use")
}

func (m *Member) begin(alone bool) error {
	if err := m.folder.removeUnfinished(); err != nil {
		return err
	}
	config, err := m.config()
	if err != nil {
		return err
	}
	config.ForceNewCluster = alone
	config.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: m.front.socket}}
	if m.etcd, err = embed.StartEtcd(config); err == nil {
		m.server.Store(m.etcd.Server)
	}
	return err
}

// watch waits until etcd ends, and says why. etcd itself does not say that it ends because others refuse it as removed.
func (m *Member) watch() {
	defer close(m.ended)
	select {
	case m.cause = <-m.etcd.Err():
	case <-m.etcd.Server.StopNotify():
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if m.etcd.Server.IsIDRemoved(m.id()) {
		m.cause = ErrRemoved
	} else if without, _ := m.absent(ctx); without > 0 {
		m.cause = ErrRemoved
	}
	if m.cause == nil {
		m.cause = errors.New("the embedded etcd has ended")
	}
}

// explain adds what to do to an error of the start.
func (m *Member) explain(err error) error {
	if strings.Contains(err.Error(), "address already in use") {
		return fmt.Errorf("another program listens on %s: choose another address with --peer-listen and --advertise when the member is made: %w", m.state.Listen, err)
	}
	if strings.Contains(err.Error(), "cannot fetch cluster info") {
		return fmt.Errorf("this member starts for the first time, and no other member answers: start the servers of %s, then this one again: %w", m.others(), err)
	}
	if strings.Contains(err.Error(), "incompatible with current running cluster") {
		return fmt.Errorf("the etcd inside of this Midas is too old for the cluster: run the version of the other members: %w", err)
	}
	return fmt.Errorf("start the embedded etcd in %s: %w", m.folder.path(etcdFolder), err)
}

// others are the names of the other members.
func (m *Member) others() string {
	var all []string
	for _, p := range m.state.Members {
		if p.URL != m.state.Peer {
			all = append(all, p.Name)
		}
	}
	return strings.Join(all, ", ")
}

func (m *Member) config() (*embed.Config, error) {
	var err error
	if m.local, err = freePort(); err != nil {
		return nil, err
	}
	advertised, err := url.Parse(m.state.Peer)
	if err != nil {
		return nil, fmt.Errorf("peer URL: %w", err)
	}
	c := embed.NewConfig()
	c.Name, c.Dir = m.state.Name, m.folder.path(etcdFolder)
	c.AdvertisePeerUrls = []url.URL{*advertised}
	own := []url.URL{{Scheme: "https", Host: m.local}}
	c.ListenClientUrls, c.AdvertiseClientUrls = own, own
	secure := transport.TLSInfo{
		CertFile: m.folder.path(certFile), KeyFile: m.folder.path(certKeyFile), TrustedCAFile: m.folder.path(caFile),
		// The authority certifies only members, and a member may connect from another address than the one that it advertises.
		ClientCertAuth: true, SkipClientSANVerify: true,
	}
	c.PeerTLSInfo, c.ClientTLSInfo = secure, secure
	c.TlsMinVersion = "TLS1.3"
	c.InitialClusterToken, c.ClusterState = m.state.Cluster, embed.ClusterStateFlagNew
	if m.state.Joined {
		c.ClusterState = embed.ClusterStateFlagExisting
	}
	var initial []string
	for _, p := range m.state.Members {
		initial = append(initial, p.Name+"="+p.URL)
	}
	c.InitialCluster = strings.Join(initial, ",")
	c.QuotaBackendBytes, c.MaxRequestBytes = m.quota, maxRequest
	c.SnapshotCount, c.SnapshotCatchUpEntries = snapshotEvery, catchUp
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, compactionAfter
	c.MaxLearners = maxLearners
	c.EnableGRPCGateway = false
	c.GRPCAdditionalServerOptions = []grpc.ServerOption{grpc.ChainUnaryInterceptor(whileEnding(m.ending))}
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.New(newCore(m.log)))
	return c, nil
}

// freePort returns a free port of 127.0.0.1.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
