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

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Protocol is the version of JoinRequest and JoinAnswer.
const Protocol = 1

// JoinRequest is what a joining machine sends.
type JoinRequest struct {
	Protocol int    `json:"protocol"`
	Program  string `json:"program"` // the version of Midas
	ID       string `json:"id"`      // of the token
	Secret   string `json:"secret"`  // of the token
	Peer     string `json:"peerURL"` // under which the others will reach it
	Request  string `json:"request"` // the certificate request, in PEM
}

// JoinAnswer is what it gets. It contains secrets.
type JoinAnswer struct {
	Protocol    int               `json:"protocol"`
	Cluster     string            `json:"cluster"`
	ID          string            `json:"id"` // of the new member
	Members     []Peer            `json:"members"`
	CA          string            `json:"ca"`
	CAKey       string            `json:"caKey"`
	Certificate string            `json:"certificate"`
	Origin      string            `json:"origin"`
	Files       map[string][]byte `json:"files"` // of the data folder, by their paths in it
}

// RefusedError is a join that the cluster refuses; its text is for the operator of the joining machine.
type RefusedError struct{ message string }

// Error implements error.
func (e *RefusedError) Error() string { return e.message }

func refuse(format string, args ...any) error { return &RefusedError{fmt.Sprintf(format, args...)} }

// Admit adds a machine that has a token as a learner. The token is used up if, and only if, it succeeds or the
// member may have been added. prepare sets Origin and Files of the answer; it is called after the token was checked.
func (m *Member) Admit(ctx context.Context, in JoinRequest, prepare func(context.Context, *JoinAnswer) error) (out JoinAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	token, revision, err := m.token(ctx, in.ID, in.Secret) // before everything else, so that strangers learn nothing
	if err != nil {
		return out, err
	}
	if in.Protocol != Protocol {
		return out, refuse("this Midas (%s) and the members of the cluster speak different versions of the join protocol: run the version of the members", in.Program)
	}
	if err := checkPeer(in.Peer); err != nil {
		return out, err
	}
	public, err := publicKey(in.Request)
	if err != nil {
		return out, refuse("%s", err)
	}
	if out, err = m.answer(public, in.Peer); err == nil {
		err = prepare(ctx, &out)
	}
	if err != nil {
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
		Protocol: Protocol, Cluster: m.state.Cluster,
		CA: string(certificatePEM(a.cert)), CAKey: string(key), Certificate: string(certificatePEM(cert)),
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
		if slices.Contains(one.PeerURLs, peerURL) {
			return refuse("%s already is a member of the cluster: if that machine has lost its data folder, first remove it with `midas cluster remove %s`", name, name)
		}
	}
	var added *clientv3.MemberAddResponse
	err = m.settled(ctx, func() error {
		added, err = m.client.MemberAddAsLearner(ctx, []string{peerURL})
		return err
	})
	switch {
	case errors.Is(err, rpctypes.ErrTooManyLearners):
		return refuse("%d machines are joining the cluster already: try again when they have a vote", maxLearners)
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
