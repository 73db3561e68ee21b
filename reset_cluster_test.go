//go:build cluster

package midas_test

import (
	"strings"
	"testing"
	"time"

	"midas"
)

// TestKeysAreNotResetBesideOtherServers, unless that is forced; then the other server ends by itself.
func TestKeysAreNotResetBesideOtherServers(t *testing.T) {
	first := clusterMachine(t)
	first.Cluster.Init, first.Origin = true, "https://midas.test"
	one := start(t, first)
	token, err := midas.NewClusterToken(t.Context(), first, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second := clusterMachine(t)
	at := address(t, first)
	second.Cluster.Join, second.Cluster.Token = "https://"+at, token
	shutdown(t, start(t, second))
	if _, err := midas.ResetKeys(t.Context(), second, false); err == nil || !strings.Contains(err.Error(), at) || !strings.Contains(err.Error(), "--force") {
		t.Errorf("beside another server: %v", err)
	}
	select {
	case <-one.Done():
		t.Fatal("the other server has ended")
	default:
	}
	if _, err := midas.ResetKeys(t.Context(), second, true); err != nil {
		t.Fatal(err)
	}
	<-one.Done()
	if err := one.Shutdown(t.Context()); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Errorf("the other server ends with %v", err)
	}
}
