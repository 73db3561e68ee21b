package main

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// startCommitter runs this program as a bare server that commits the transaction of a create for each
// request. It has TLS, HTTP and the store, and does not look at the request. No server with this store can
// be faster.
func (b *bench) startCommitter(t *target, c creation) (*target, error) {
	body, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "creation")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, err := start(t.data, exec.Command(self, "-commit", file, "-cert", t.data, "-rounds", strconv.Itoa(b.rounds)))
	if err != nil {
		return nil, err
	}
	return &target{server: s}, nil
}

// serveCommitter is the main function of the process of startCommitter.
func serveCommitter(creationFile string, cert *tls.Certificate, rounds int) error {
	data, err := os.ReadFile(creationFile)
	if err != nil {
		return err
	}
	var c creation
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	a, err := openAlone(filepath.Join(filepath.Dir(creationFile), "committer"), c)
	if err != nil {
		return err
	}
	defer a.Close()
	creations := a.ready(rounds * putRequests)
	var next atomic.Int64
	return serve(cert, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		i := int(next.Add(1)) - 1
		if i >= len(creations) || a.create(creations[i]) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		answer(w, []byte(creations[i][len(creations[i])-1].Value))
	})
}
