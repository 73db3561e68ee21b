package replica

import (
	"time"

	"midas/internal/store"
)

// record is the record of a replica.
type record struct {
	Addresses []string  `json:"addresses,omitempty"` // URLs at which agents and other clients reach it
	Version   string    `json:"version,omitempty"`   // of Midas
	Started   time.Time `json:"started"`             // by its own wall clock, as is Seen
	Seen      time.Time `json:"seen"`                // the time of this renewal

	Ahead store.Versions `json:"ahead,omitzero"` // what it knows and the store did not have when it started
}

// lease is the record of a job.
type lease struct {
	Holder  string `json:"holder,omitempty"` // the id of a replica; empty if the last holder has given the lease up
	Term    uint64 `json:"term"`             // grows each time that the lease is taken
	Renewal uint64 `json:"renewal"`          // grows with each renewal, so that the record changes
}

var (
	replicas = store.Table[record]{Kind: store.ReplicaKind}
	leases   = store.Table[lease]{Kind: store.JobKind}
)

func replicaKey(id string) string { return store.ReplicaKind.Keys + id }

func leaseKey(name string) string { return store.JobKind.Keys + name }
