//go:build cluster

package cluster

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver"
)

// Config is the configuration of a member. All fields are required, except Quota.
type Config struct {
	Data  string // the data folder
	Now   func() time.Time
	Log   *slog.Logger
	Quota int64 // bytes of the database, beyond which writes are refused; 0 for DefaultQuota
}

// Address says how other members reach this one.
type Address struct {
	Listen    string // HOST:PORT on which it listens for the other members
	Advertise string // HOST:PORT under which they reach it
}

// URL is the peer URL of an address.
func (a Address) URL() string { return "https://" + a.Advertise }

// Member is a running member. It is safe for concurrent use.
type Member struct {
	folder folder
	now    func() time.Time
	log    *slog.Logger
	etcd   *embed.Etcd
	server atomic.Pointer[etcdserver.EtcdServer] // of etcd, for its requests, which come before etcd is set
	client *clientv3.Client                      // of this member itself, without a connection
	http   *http.Client                          // asks other members
	local  string                                // HOST:PORT on which this member serves its own process
	front  *front                                // the listener for the other members
	quota  int64                                 // bytes

	mu    sync.Mutex // held while state is read or changed
	state state

	tidying   sync.Mutex
	absentees map[uint64]time.Time // learners that have not started, since when this member knows it; under tidying

	stop  context.CancelFunc
	jobs  sync.WaitGroup
	ended chan struct{} // closed when etcd has ended by itself
	cause error         // of its end; read only after ended is closed
	once  sync.Once
}

// Begin writes the folder of the first member of a new cluster in a data folder that has none. It starts nothing.
func Begin(c Config, at Address) error {
	f := folderOf(c.Data)
	if Exists(c.Data) {
		return fmt.Errorf("%s already has a member of a cluster", c.Data)
	}
	if err := errors.Join(checkListen(at.Listen), checkSpace(c.Data)); err != nil {
		return err
	}
	if err := f.make(); err != nil {
		return err
	}
	a, err := newAuthority(c.Now())
	if err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(at.Advertise)
	if err != nil {
		return fmt.Errorf("the address for other members: %w", err)
	}
	cert, err := a.certify(key.Public(), host, c.Now())
	if err != nil {
		return err
	}
	if err := errors.Join(f.writeAuthority(a), f.writeMember(key, cert)); err != nil {
		return err
	}
	id, err := newID()
	if err != nil {
		return err
	}
	self := Peer{Name: at.Advertise, URL: at.URL()}
	s := state{Name: self.Name, Peer: self.URL, Listen: at.Listen, Cluster: id, Members: []Peer{self}}
	return f.write(s)
}

// Open starts the member of a data folder. It returns when the member takes part in a majority and has a vote, or
// when ctx ends. It refuses the folder of a member that was removed, before anything is written to it, if
// the others answer.
func Open(ctx context.Context, c Config) (_ *Member, err error) {
	m, err := read(c)
	if err != nil {
		return nil, err
	}
	if err := m.checkRemoved(ctx); err != nil {
		return nil, err
	}
	if err := m.folder.renew(hostOf(m.state.Peer), c.Now()); err != nil {
		return nil, err
	}
	if err := m.start(ctx, false); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Close())
		}
	}()
	if err := m.ready(ctx); err != nil {
		return nil, err
	}
	m.run()
	return m, nil
}

func newMember(c Config, f folder, s state, config *tls.Config) *Member {
	return &Member{
		folder: f, now: c.Now, log: c.Log, quota: cmp.Or(c.Quota, DefaultQuota), state: s,
		absentees: map[uint64]time.Time{}, ended: make(chan struct{}), http: peerClient(config),
	}
}

// peerClient asks other members, and never through a proxy.
func peerClient(config *tls.Config) *http.Client {
	return &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// Wait waits until a majority answers, or until ctx or the member ends.
func (m *Member) Wait(ctx context.Context) error { return m.ready(ctx) }

// ready waits until the member has a vote and a majority answers.
func (m *Member) ready(ctx context.Context) error {
	said := false
	for attempt := 0; ; attempt++ {
		err := m.take(ctx)
		if err == nil {
			return nil
		}
		if attempt == 5 || !said && attempt > 0 && errors.Is(err, errLearner) {
			said = true
			m.log.InfoContext(ctx, "this member waits for the others", "cause", err)
		}
		select {
		case <-m.ended:
			return m.cause
		case <-ctx.Done():
			return fmt.Errorf("the member did not become ready: %w", err)
		case <-time.After(500 * time.Millisecond):
		}
	}
}

var errLearner = errors.New("this member has no vote yet, because it has not caught up")

// take promotes this member if it is a learner, and checks that a majority answers.
func (m *Member) take(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	select {
	case <-m.etcd.Server.ReadyNotify():
	case <-m.ended:
		return m.cause
	case <-ctx.Done():
		return errors.New("a majority of the members does not answer")
	}
	if m.etcd.Server.IsLearner() {
		if _, err := m.client.MemberPromote(ctx, m.id()); err != nil {
			return fmt.Errorf("%w: %w", errLearner, err)
		}
		return errLearner // until this member itself has seen it
	}
	if _, err := m.client.MemberList(ctx); err != nil { // a linearizable read
		return unavailable(err)
	}
	return m.remember()
}

func (m *Member) id() uint64 { return uint64(m.etcd.Server.MemberID()) }

// remember notes the members that this one knows in state.json, so that a later start finds them.
func (m *Member) remember() error {
	var members []Peer
	for _, one := range m.etcd.Server.Cluster().Members() {
		if len(one.PeerURLs) > 0 {
			members = append(members, Peer{Name: nameOf(one.PeerURLs), URL: one.PeerURLs[0]})
		}
	}
	slices.SortFunc(members, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	m.mu.Lock()
	defer m.mu.Unlock()
	id := idText(m.id())
	if len(members) == 0 || slices.Equal(members, m.state.Members) && m.state.ID == id {
		return nil
	}
	m.state.Members, m.state.ID = members, id
	return m.folder.write(m.state)
}

// nameOf is the name of a member: HOST:PORT of its peer URL. A member that has not started yet has it, too.
func nameOf(peerURLs []string) string { return strings.TrimPrefix(peerURLs[0], "https://") }

// Endpoint is the HOST:PORT on which this member serves its own process, with mutual TLS.
func (m *Member) Endpoint() string { return m.local }

// TLS is the TLS configuration for Endpoint.
func (m *Member) TLS() (*tls.Config, error) { return m.folder.clientTLS() }

// Done is closed when the member has ended by itself. Err then returns the cause.
func (m *Member) Done() <-chan struct{} { return m.ended }

// Err is the reason why the member has ended by itself; nil while it runs.
func (m *Member) Err() error {
	select {
	case <-m.ended:
		return m.cause
	default:
		return nil
	}
}

// Close ends the member. If it is the leader, etcd first hands the leadership to another member.
func (m *Member) Close() (err error) {
	m.once.Do(func() {
		if m.stop != nil {
			m.stop()
			m.jobs.Wait()
		}
		err = m.remember()
		m.stopEarly()
		m.etcd.Close()
		_ = m.client.Close()
		m.front.close() // last, because the other members answer through it
	})
	return err
}

// stopEarly stops an etcd that has never taken part in a majority. Its Close would wait for ever for the listeners, which
// wait until it takes part or stops.
func (m *Member) stopEarly() {
	select {
	case <-m.etcd.Server.ReadyNotify():
	default:
		m.etcd.Server.HardStop()
	}
}

// unavailable describes a failed request to this member.
func unavailable(err error) error {
	return fmt.Errorf("the cluster does not answer, because a majority of its members is missing: %w", err)
}
