//go:build cluster

package etcd_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"midas/internal/store"
	"midas/internal/store/etcd"
	"midas/internal/store/storetest"
)

// embedded runs an etcd with one member in this process.
func embedded(t testing.TB, change ...func(*embed.Config)) string {
	t.Helper()
	client := free(t)
	server := startAt(t, t.TempDir(), free(t), client, change...)
	t.Cleanup(server.Close)
	return client
}

// startAt starts an etcd with one member on a folder and two addresses.
func startAt(t testing.TB, dir, peerHost, clientHost string, change ...func(*embed.Config)) *embed.Etcd {
	t.Helper()
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.UnsafeNoFsync = dir, "fatal", true
	peer, client := url.URL{Scheme: "http", Host: peerHost}, url.URL{Scheme: "http", Host: clientHost}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	c.InitialCluster = c.Name + "=" + peer.String()
	for _, fn := range change {
		fn(c)
	}
	server, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		t.Fatal("etcd does not start")
	}
	return server
}

// free returns an address that nobody uses.
func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// stores counts the prefixes of one server, so that each test has its own.
type stores struct {
	endpoint string
	count    atomic.Int64
}

func (s *stores) location() string { return fmt.Sprintf("%s/test/%d", s.endpoint, s.count.Add(1)) }

// open opens the engine at a location.
func open(t testing.TB, location string) *etcd.Engine {
	t.Helper()
	c, err := etcd.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	e, err := etcd.Open(context.Background(), c, etcd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestConformance(t *testing.T) {
	conform(t, embedded(t))
}

// conform runs the conformance suite on the etcd at some endpoints.
func conform(t *testing.T, endpoints string) {
	servers := &stores{endpoint: endpoints}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			if testing.Short() && kind.name != "cached" {
				t.Skip("the short form tests the store of a replica only")
			}
			storetest.Run(t, func(t testing.TB) store.Store {
				return storetest.CloseAtEnd(t, store.New(kind.wrap(open(t, servers.location())), store.Options{}))
			})
		})
	}
}

// kinds are the configurations of a store in production.
var kinds = []struct {
	name string
	wrap func(e *etcd.Engine) store.Engine
}{
	{"bare", func(e *etcd.Engine) store.Engine { return e }},
	{"cached", func(e *etcd.Engine) store.Engine {
		return store.Cached(store.Follow(e, store.FollowOptions{}), 1<<20)
	}},
}

// Two replicas share one store. Each sees what the other has acknowledged.
func TestTwoReplicas(t *testing.T) {
	servers := &stores{endpoint: embedded(t)}
	storetest.RunShared(t, func(t testing.TB) (a, b store.Store) {
		location := servers.location()
		replica := func() store.Store {
			return storetest.CloseAtEnd(t, store.New(store.Cached(store.Follow(open(t, location), store.FollowOptions{}), 1<<20), store.Options{}))
		}
		return replica(), replica()
	})
}
