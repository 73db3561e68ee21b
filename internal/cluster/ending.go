//go:build cluster

package cluster

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// whileEnding answers a request of this process with Unavailable if etcd panics because it ends: a member that is removed
// closes its database while it still reads for requests. Any other panic goes on.
func whileEnding(ending func() bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (answer any, err error) {
		defer func() {
			if !ending() {
				return
			}
			if recover() != nil {
				answer, err = nil, status.Error(codes.Unavailable, "the member ends")
			}
		}()
		return handle(ctx, request)
	}
}

// ending reports whether etcd ends.
func (m *Member) ending() bool {
	server := m.server.Load()
	if server == nil {
		return false
	}
	select {
	case <-server.StoppingNotify():
		return true
	default:
		return false
	}
}
