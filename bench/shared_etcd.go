//go:build e2e && cluster

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"midas/internal/store/servertest"
)

// startEtcd starts three members.
func startEtcd(s *stage) (*database, error) {
	members := servertest.Etcd(s, 3)
	return &database{
		name: "etcd",
		url:  "etcd://" + strings.Join(members.Endpoints, ",") + "/midas",
		alone: func(ctx context.Context, replicas int) (transactor, error) {
			return newEtcdAlone(ctx, members.Endpoints, replicas)
		},
		operations: func(context.Context) (float64, error) { return etcdOperations(members.Endpoints) },
	}, nil
}

// etcdAlone has one client for each replica that it stands for.
type etcdAlone struct {
	clients []*clientv3.Client
	next    atomic.Uint64
	guards  []clientv3.Cmp // of the keys that every create gets
}

func newEtcdAlone(ctx context.Context, endpoints []string, replicas int) (*etcdAlone, error) {
	e := &etcdAlone{}
	for range replicas {
		c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
		if err != nil {
			return nil, err
		}
		e.clients = append(e.clients, c)
	}
	for _, key := range gotByCreates() {
		revision := int64(0)
		if key.exists {
			put, err := e.client().Put(ctx, key.name, "{}")
			if err != nil {
				return nil, err
			}
			revision = put.Header.Revision
		}
		e.guards = append(e.guards, clientv3.Compare(clientv3.ModRevision(key.name), "=", revision))
	}
	return e, nil
}

func (e *etcdAlone) client() *clientv3.Client {
	return e.clients[e.next.Add(1)%uint64(len(e.clients))]
}

func (e *etcdAlone) create(ctx context.Context, rows []row) error {
	guards := e.guards[:len(e.guards):len(e.guards)]
	var puts []clientv3.Op
	for _, r := range rows {
		if isNew(r.Key) {
			guards = append(guards, clientv3.Compare(clientv3.ModRevision(aloneFolder+r.Key), "=", 0))
		}
		puts = append(puts, clientv3.OpPut(aloneFolder+r.Key, r.Value))
	}
	answer, err := e.client().Txn(ctx).If(guards...).Then(puts...).Commit()
	if err == nil && !answer.Succeeded {
		err = errRefused
	}
	return err
}

func (e *etcdAlone) newest(ctx context.Context) error {
	_, err := e.client().Get(ctx, aloneFolder+"head")
	return err
}

func (e *etcdAlone) close() {
	for _, c := range e.clients {
		_ = c.Close()
	}
}

// etcdOperations sums the calls that the members have answered.
func etcdOperations(endpoints []string) (float64, error) {
	var sum float64
	for _, endpoint := range endpoints {
		n, err := callsOf(endpoint)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	if sum == 0 {
		return 0, errors.New("the members of etcd count no calls")
	}
	return sum, nil
}

func callsOf(endpoint string) (sum float64, err error) {
	answer, err := http.Get("http://" + endpoint + "/metrics")
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "grpc_server_handled_total{") {
			continue
		}
		_, value, _ := strings.Cut(lines.Text(), "} ")
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		sum += n
	}
	return sum, lines.Err()
}
