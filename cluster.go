package midas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"midas/internal/cluster"
	"midas/internal/control"
	"midas/internal/datadir"
)

// ClusterStatus is what one member knows about its cluster.
type ClusterStatus struct {
	Members  []ClusterMember `json:"members"`
	Majority bool            `json:"majority"` // a majority of the members with a vote answers
	Running  bool            `json:"running"`  // this member takes part; if not, Members are those that it knew last
	Alarms   []string        `json:"alarms"`
	Database int64           `json:"databaseBytes"` // the size of this member's database
	Used     int64           `json:"usedBytes"`     // of the database
	Quota    int64           `json:"quotaBytes"`    // writes are refused beyond it
}

// ClusterMember is a member of a cluster.
type ClusterMember struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // HOST:PORT under which the others reach it
	Leader  bool   `json:"leader"`
	Learner bool   `json:"learner"` // it has no vote yet
	Self    bool   `json:"self"`    // it is the one that was asked
	Answers bool   `json:"answers"`
}

// Cluster asks the running server of a data folder for the members of its cluster. If the server does not run, or waits
// for a majority of the members, Cluster returns what its member has known last, and asks the other members itself. It
// uses only Data of cfg.
func Cluster(ctx context.Context, cfg Config) (status ClusterStatus, err error) {
	var text []byte
	err = askCluster(ctx, cfg, func(c control.Cluster) error {
		text, err = c.ClusterStatus(ctx)
		return err
	})
	if cfg = cfg.withDefaults(); errors.Is(err, control.ErrNotRunning) && cluster.Exists(cfg.Data) {
		text, err = knownCluster(ctx, cfg)
	}
	if err != nil {
		return status, err
	}
	status.Members, status.Alarms = []ClusterMember{}, []string{} // never null in JSON
	if err := json.Unmarshal(text, &status); err != nil {
		return status, fmt.Errorf("read the status of the cluster: %w", err)
	}
	return status, nil
}

// ResetCluster makes the member of a data folder the only one of its cluster, after the majority of the members is lost
// for ever. No server may run on the folder, and no other member may answer. It uses only Data and Cluster.MaxSize of cfg.
func ResetCluster(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	if err := cfg.check(engines()); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := exists(cfg.Data); err != nil {
		return err
	}
	if !cluster.Exists(cfg.Data) {
		return fmt.Errorf("%s has no member of a cluster", cfg.Data)
	}
	dir, err := datadir.Open(cfg.Data)
	if err != nil {
		return err
	}
	return errors.Join(resetCluster(ctx, cfg), dir.Close())
}

// NewClusterToken makes a token with which one machine can join the cluster within a lifetime.
func NewClusterToken(ctx context.Context, cfg Config, life time.Duration) (token string, err error) {
	err = askCluster(ctx, cfg, func(c control.Cluster) error {
		token, err = c.ClusterToken(ctx, life)
		return err
	})
	return token, err
}

// RemoveClusterMember removes a member of the cluster by its name or id.
func RemoveClusterMember(ctx context.Context, cfg Config, name string) error {
	return askCluster(ctx, cfg, func(c control.Cluster) error { return c.RemoveMember(ctx, name) })
}

// askCluster runs fn in the running server of a data folder. Without a server there is nothing to ask.
func askCluster(ctx context.Context, cfg Config, fn func(control.Cluster) error) error {
	cfg = cfg.withDefaults()
	client, err := control.Dial(ctx, datadir.Socket(cfg.Data))
	if err != nil {
		return fmt.Errorf("ask the server of %s: %w", cfg.Data, err)
	}
	return fn(client)
}

// member is this server's member of an embedded cluster.
type member interface {
	control.Cluster

	// Done is closed when the member has ended by itself. Err then returns the cause.
	Done() <-chan struct{}
	Err() error
}

// withCluster are the commands of a server with an embedded cluster.
type withCluster struct {
	online
	control.Cluster
}

// watchMember ends when the member ends by itself, and the server with it.
func watchMember(ctx context.Context, m member) error {
	select {
	case <-m.Done():
		return m.Err()
	case <-ctx.Done():
		return nil
	}
}
