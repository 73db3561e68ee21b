//go:build cluster

package etcd

import (
	"context"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

const (
	dialTimeout = 5 * time.Second
	// gRPC sends no pings more often than every 10 s, and etcd closes connections with more than one in 5 s.
	// A member that does not answer is noticed sooner, see members.
	pingInterval = 10 * time.Second
	pingTimeout  = 3 * time.Second

	answerBytes = 16 << 20 // the maximum size of one page of a scan
)

// NewClient makes a client of the etcd of c. It waits for an answer only if c has a user. It never uses a proxy
// from the environment, and it writes no log lines.
func NewClient(c Config) (*clientv3.Client, error) {
	scheme := "http://"
	if c.TLS != nil {
		scheme = "https://"
	}
	endpoints := make([]string, len(c.Endpoints))
	for i, e := range c.Endpoints {
		endpoints[i] = scheme + e
	}
	return clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		TLS:                  c.TLS,
		Username:             c.User,
		Password:             c.Password,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    pingInterval,
		DialKeepAliveTimeout: pingTimeout,
		Logger:               zap.NewNop(),
		DialOptions:          []grpc.DialOption{grpc.WithNoProxy(), grpc.WithChainUnaryInterceptor(patient)},
	})
}

// patient makes calls wait for a connection, until their context ends, instead of failing while members are
// restarted. A call that waits was not sent, so a write can wait, too. Authenticate is left alone, because it
// runs when a program starts, and must fail at once for a wrong address.
func patient(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	switch {
	case strings.HasSuffix(method, "/Range"):
		opts = append(slices.Clip(opts), grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(answerBytes))
	case strings.HasSuffix(method, "/Txn"):
		opts = append(slices.Clip(opts), grpc.WaitForReady(true))
	}
	return next(ctx, method, req, reply, conn, opts...)
}
