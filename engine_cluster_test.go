//go:build cluster

package midas_test

import (
	"os"
	"strings"
	"testing"

	"midas"
)

// A wrong location is an error of the configuration: nothing is written, and no password is shown.
func TestWrongEtcdIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	for name, want := range map[string]string{
		"etcd://midas:secret@h1:2379/midas":           "store: etcd://midas:xxxxx@h1:2379/midas: a password is sent over TLS only",
		"etcd://h1":                                   "store: etcd://h1: it names no prefix for the keys, such as /midas",
		"etcd://midas:sec/secret@127.0.0.1:1/midas":   "%2F",
		"etcd://127.0.0.1:1/midas?ca=/does/not/exist": "/does/not/exist",
	} {
		cfg := quiet(t)
		cfg.Store, cfg.Data = name, cfg.Data+"/new"
		_, err := midas.Start(t.Context(), cfg)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
		if _, err := os.Stat(cfg.Data); !os.IsNotExist(err) {
			t.Errorf("%s: the data folder was made: %v", name, err)
		}
	}
	cfg := quiet(t)
	cfg.Store = "etcd://midas:secret@127.0.0.1:1/midas"
	if _, err := midas.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "open the store etcd://midas:xxxxx@127.0.0.1:1/midas: no answer from etcd at 127.0.0.1:1") {
		t.Error(err)
	}
}
