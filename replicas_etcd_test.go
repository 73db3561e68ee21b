//go:build cluster

package midas_test

import (
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"midas/internal/store"
	"midas/internal/store/etcd"
)

// ownEtcd runs an etcd with one member in the test, and returns its HOST:PORT.
func ownEtcd(t *testing.T) string {
	t.Helper()
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.UnsafeNoFsync = t.TempDir(), "fatal", true
	addresses := make([]url.URL, 2)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses[i] = url.URL{Scheme: "http", Host: l.Addr().String()}
		_ = l.Close()
	}
	c.ListenPeerUrls, c.AdvertisePeerUrls = addresses[:1], addresses[:1]
	c.ListenClientUrls, c.AdvertiseClientUrls = addresses[1:], addresses[1:]
	c.InitialCluster = c.Name + "=" + addresses[0].String()
	server, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(time.Minute):
		t.Fatal("etcd does not start")
	}
	return addresses[1].Host
}

// onEngine runs the tests of replicas. next returns how three replicas open one new, empty store.
func onEngine(t *testing.T, next func(t *testing.T) func() (store.Engine, error)) {
	for name, test := range map[string]func(*testing.T, *replicas){
		"keys are rotated and withdrawn together":  rotateAndWithdraw,
		"replicas continue each other's work":      continueWork,
		"rights and tokens end at every replica":   rightsEnd,
		"one of many creators of an identity wins": manyCreators,
	} {
		t.Run(name, func(t *testing.T) { test(t, startReplicasOn(t, next(t))) })
	}
	t.Run("an agent hears of changes through other replicas", func(t *testing.T) { agentHears(t, next(t)) })
}

// TestReplicasOnEtcd runs the tests of replicas on the engine itself.
func TestReplicasOnEtcd(t *testing.T) {
	endpoint, count := ownEtcd(t), atomic.Int64{}
	onEngine(t, func(t *testing.T) func() (store.Engine, error) {
		c, err := etcd.Parse(fmt.Sprintf("%s/replicas/%d", endpoint, count.Add(1)))
		if err != nil {
			t.Fatal(err)
		}
		return func() (store.Engine, error) { return etcd.Open(t.Context(), c, etcd.Options{}) }
	})
}
