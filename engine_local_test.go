//go:build !cluster

package midas_test

import (
	"os"
	"strings"
	"testing"

	"midas"
)

// The binary without the tag says which one has etcd, and makes no data folder.
func TestBinaryWithoutEtcdSaysWhichOneHasIt(t *testing.T) {
	cfg := quiet(t)
	cfg.Store, cfg.Data = "etcd://midas:secret@127.0.0.1:1/midas", cfg.Data+"/new"
	_, err := midas.Start(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "store: etcd://midas:xxxxx@127.0.0.1:1/midas: this binary has only the engines memory: and pebble:") ||
		!strings.Contains(err.Error(), "make build (go build -tags cluster ./cmd/midas)") {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.Data); !os.IsNotExist(err) {
		t.Errorf("the data folder was made: %v", err)
	}
}
