//go:build cluster

package cluster

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-semver/semver"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"

	"midas/internal/host"
)

// Protocol is the version of JoinRequest, Offer and JoinAnswer.
const Protocol = 2

// JoinRequest is what a joining machine sends.
type JoinRequest struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"` // the version of Midas
	Etcd     string `json:"etcd"`    // the version of etcd inside of it
	ID       string `json:"id"`      // of the token
	Secret   string `json:"secret"`  // of the token
	Peer     string `json:"peerURL"` // under which the others will reach it
	Request  string `json:"request"` // the certificate request, in PEM
}

// Offer is what it gets before it becomes a member, so that it can refuse. It contains secrets.
type Offer struct {
	Origin    string            `json:"origin"`
	MasterKey string            `json:"masterKey"` // the fingerprint
	Files     map[string][]byte `json:"files"`     // of the data folder, by their paths in it
	Time      time.Time         `json:"time"`      // of the clock of the member that offers; zero if it is an earlier version
}

// JoinAnswer is what it gets as a member. It contains secrets.
type JoinAnswer struct {
	Cluster     string `json:"cluster"`
	ID          string `json:"id"` // of the new member
	Members     []Peer `json:"members"`
	CA          string `json:"ca"`
	CAKey       string `json:"caKey"`
	Certificate string `json:"certificate"`
}

// RefusedError is a join that the cluster refuses; its text is for the operator of the joining machine.
type RefusedError struct{ message string }

// Error implements error.
func (e *RefusedError) Error() string { return e.message }

// Refuse makes a RefusedError.
func Refuse(message string) error { return &RefusedError{message} }

func refuse(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// admitTime bounds a request of a joining machine.
const admitTime = 20 * time.Second

// check checks a request, and returns its token with the revision. The token is checked before everything else, so that
// strangers learn nothing.
func (m *Member) check(ctx context.Context, in JoinRequest) (token storedToken, revision int64, err error) {
	if token, revision, err = m.token(ctx, in.ID, in.Secret); err != nil {
		return token, 0, err
	}
	if in.Protocol != Protocol {
		return token, 0, refuse("this Midas (%s) and the members of the cluster speak different versions of the join protocol: run the version of the members", in.Program)
	}
	if err := checkEtcd(in.Etcd, m.clusterVersion()); err != nil {
		return token, 0, err
	}
	if err := checkPeer(in.Peer); err != nil {
		return token, 0, err
	}
	return token, revision, checkReach(hostOf(in.Peer), hostOf(m.state.Peer))
}

// Offer returns an error if Admit would refuse a machine because of its token, its version or its address. It changes
// nothing.
func (m *Member) Offer(ctx context.Context, in JoinRequest) error {
	ctx, cancel := context.WithTimeout(ctx, admitTime)
	defer cancel()
	_, _, err := m.check(ctx, in)
	return err
}

// Admit adds a machine that has a token as a learner. The token is used up if, and only if, it succeeds or the
// member may have been added.
func (m *Member) Admit(ctx context.Context, in JoinRequest) (out JoinAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, admitTime)
	defer cancel()
	token, revision, err := m.check(ctx, in)
	if err != nil {
		return out, err
	}
	public, err := publicKey(in.Request)
	if err != nil {
		return out, refuse("%s", err)
	}
	if out, err = m.answer(public, in.Peer); err != nil {
		return JoinAnswer{}, err
	}
	if err := m.use(ctx, in.ID, revision); err != nil {
		return out, err
	}
	if err := m.add(ctx, in.Peer, &out); err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) { // nothing was added, so the token can be used again
			err = errors.Join(err, m.putToken(ctx, in.ID, token))
		}
		return JoinAnswer{}, err
	}
	m.log.InfoContext(ctx, "a machine joins the cluster", "member", nameOf([]string{in.Peer}))
	return out, nil
}

// answer certifies the key of a new member.
func (m *Member) answer(public crypto.PublicKey, peerURL string) (out JoinAnswer, err error) {
	a, err := m.folder.authority()
	if err != nil {
		return out, err
	}
	key, err := keyPEM(a.key)
	if err != nil {
		return out, err
	}
	cert, err := a.certify(public, hostOf(peerURL), m.now())
	if err != nil {
		return out, err
	}
	return JoinAnswer{
		Cluster: m.state.Cluster,
		CA:      string(certificatePEM(a.cert)), CAKey: string(key), Certificate: string(certificatePEM(cert)),
	}, nil
}

// add adds a learner, and sets the members of the answer.
func (m *Member) add(ctx context.Context, peerURL string, out *JoinAnswer) error {
	list, err := m.client.MemberList(ctx)
	if err != nil {
		return unavailable(err)
	}
	name := nameOf([]string{peerURL})
	for _, one := range list.Members {
		if !slices.Contains(one.PeerURLs, peerURL) {
			continue
		}
		if !neverStarted(one) {
			return refuse("%s already is a member of the cluster: if that machine has lost its data folder, first remove it with `midas cluster remove %s`", name, name)
		}
		// An earlier join of that machine has ended early. The new member gets a new id, because nobody knows
		// what the machine has kept.
		if _, err := m.client.MemberRemove(ctx, one.ID); err != nil && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return unavailable(err)
		}
	}
	var added *clientv3.MemberAddResponse
	err = m.settled(ctx, func() error {
		added, err = m.client.MemberAddAsLearner(ctx, []string{peerURL})
		return err
	})
	switch {
	case errors.Is(err, rpctypes.ErrTooManyLearners):
		return refuse("%d machines are joining the cluster already: try again when they have a vote, or remove them with `midas cluster remove`", maxLearners)
	case errors.Is(err, rpctypes.ErrPeerURLExist), errors.Is(err, rpctypes.ErrMemberExist):
		return refuse("%s already is a member of the cluster", name)
	case errors.Is(err, rpctypes.ErrUnhealthy):
		return refuse("too few members of the cluster answer: try again when `midas cluster status` shows that all do")
	case err != nil:
		return unavailable(err)
	}
	out.ID = idText(added.Member.ID)
	for _, one := range added.Members {
		out.Members = append(out.Members, Peer{Name: nameOf(one.PeerURLs), URL: one.PeerURLs[0]})
	}
	return nil
}

// neverStarted reports whether a member has joined, and its machine has not started it yet: etcd learns a member's name
// when it starts.
func neverStarted(one *pb.Member) bool { return one.IsLearner && one.Name == "" }

// clusterVersion is the version of etcd on which the members have agreed, or, in the first moments of a cluster, that of
// this one.
func (m *Member) clusterVersion() *semver.Version {
	if agreed := m.etcd.Server.ClusterVersion(); agreed != nil {
		return agreed
	}
	return semver.New(version.Version)
}

// checkEtcd compares the version of etcd in a joining machine with that of the cluster. etcd itself refuses a member
// that is older than the cluster, but only after it was added; it takes members that are one minor version newer, which is
// how a cluster is upgraded.
func checkEtcd(joining string, cluster *semver.Version) error {
	var major, minor int64
	if _, err := fmt.Sscanf(joining, "%d.%d.", &major, &minor); err != nil {
		return refuse("the version %.30q of etcd is not one", joining)
	}
	switch {
	case major == cluster.Major && (minor == cluster.Minor || minor == cluster.Minor+1):
		return nil
	case major < cluster.Major || major == cluster.Major && minor < cluster.Minor:
		return refuse("this Midas has etcd %s inside, which is too old for the cluster with etcd %d.%d: run the version of the members", joining, cluster.Major, cluster.Minor)
	}
	return refuse("this Midas has etcd %s inside, which is too new for the cluster with etcd %d.%d: run the version of the members, or update them first, one after the other", joining, cluster.Major, cluster.Minor)
}

// checkPeer checks the peer URL of a joining machine.
func checkPeer(text string) error {
	u, err := url.Parse(text)
	if err == nil {
		var host, port string
		if host, port, err = net.SplitHostPort(u.Host); err == nil && (host == "" || port == "" || port == "0" || strings.ContainsAny(text, ",= ")) {
			err = errors.New("it has no host or no port")
		}
	}
	if err != nil || text != "https://"+u.Host || len(text) > 300 {
		return refuse("--advertise: %q is not the HOST:PORT under which the members can reach this machine", strings.TrimPrefix(text, "https://"))
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		return refuse("--advertise: %s is not an address under which the members can reach this machine", u.Hostname())
	}
	return nil
}

// checkReach refuses a loopback address among members that have others: a member that the others cannot reach would never
// get a vote, and its machine would wait for ever.
func checkReach(joining, own string) error {
	switch {
	case host.IsLoopback(joining) == host.IsLoopback(own):
		return nil
	case host.IsLoopback(joining):
		return refuse("the members of the cluster cannot reach this machine at %s: name another of its addresses with --listen HOST:PORT or --advertise HOST:PORT", joining)
	}
	return refuse("this machine cannot reach the cluster, because its member advertises %s: begin the cluster anew with --advertise HOST:PORT, or --listen HOST:PORT, of an address that other machines reach", own)
}
