//go:build cluster

package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// member is one endpoint, with a connection of its own for checks. One goroutine at a time uses it.
type member struct {
	config   Config
	endpoint string
	conn     *grpc.ClientConn
	token    string // of the user; empty before the first answer that demands one
}

func newMember(c Config, endpoint string) (*member, error) {
	secure := insecure.NewCredentials()
	if c.TLS != nil {
		secure = credentials.NewTLS(c.TLS)
	}
	conn, err := grpc.NewClient("passthrough:///"+endpoint, grpc.WithTransportCredentials(secure), grpc.WithNoProxy())
	if err != nil {
		return nil, err
	}
	return &member{config: c, endpoint: endpoint, conn: conn}, nil
}

// health is the answer of a member to one check.
type health struct {
	status *pb.StatusResponse
	err    error // why requests should not be sent to it
}

// check asks a member for its status.
func (m *member) check(ctx context.Context) health {
	answer, err := m.status(ctx)
	if m.config.User != "" && unauthenticated(err) {
		if m.token, err = m.authenticate(ctx); err == nil {
			answer, err = m.status(ctx)
		}
	}
	switch {
	case err != nil:
		return health{err: fmt.Errorf("%s: %w", m.endpoint, err)}
	case answer.IsLearner:
		err = fmt.Errorf("%s: the member is a learner", m.endpoint)
	case answer.Leader == 0:
		err = fmt.Errorf("%s: %w", m.endpoint, errNoLeader)
	}
	return health{status: answer, err: err}
}

var errNoLeader = errors.New("the member knows no leader, so a majority of the members is missing")

func (m *member) status(ctx context.Context) (*pb.StatusResponse, error) {
	if m.token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "token", m.token)
	}
	return pb.NewMaintenanceClient(m.conn).Status(ctx, &pb.StatusRequest{})
}

func (m *member) authenticate(ctx context.Context) (string, error) {
	answer, err := pb.NewAuthClient(m.conn).Authenticate(ctx, &pb.AuthenticateRequest{Name: m.config.User, Password: m.config.Password})
	if err != nil {
		return "", err
	}
	return answer.Token, nil
}

// unauthenticated reports whether a member demands a token, or another one.
func unauthenticated(err error) bool {
	text := status.Convert(err).Message()
	return err != nil && (status.Code(err) == codes.Unauthenticated || status.Code(err) == codes.PermissionDenied ||
		strings.Contains(text, "user name is empty") || strings.Contains(text, "revision of auth store is old"))
}
