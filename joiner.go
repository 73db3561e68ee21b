//go:build cluster

package midas

import (
	"context"
	"errors"
	"fmt"
	"time"

	"midas/internal/atomicfile"
	"midas/internal/cluster"
	"midas/internal/datadir"
	"midas/internal/seal"
)

// joiner is a machine that joins a cluster.
type joiner struct {
	cfg Config
	dir *datadir.Dir
}

func (j joiner) invitation(ctx context.Context) cluster.Invitation {
	return cluster.Invitation{
		URL: j.cfg.Cluster.Join, Token: cluster.Token(j.cfg.Cluster.Token), Program: Version(),
		Check: func(o cluster.Offer) error { return j.check(ctx, o) },
		Keep:  j.keep,
	}
}

// maxClockDifference is by how much the clocks of two replicas may differ: tokens of one are valid at the other.
const maxClockDifference = 5 * time.Minute

// checkClock refuses an offer of a member whose clock is not that of this machine.
func checkClock(offered, own time.Time) error {
	if offered.IsZero() || own.Sub(offered).Abs() <= maxClockDifference {
		return nil
	}
	return fmt.Errorf("its clock says %s, and that of this machine %s: set the wrong one, because the tokens of each would not be valid at the other",
		offered.UTC().Format(time.RFC3339), own.UTC().Format(time.RFC3339))
}

// check refuses an offer whose origin, master key or clock is not that of this machine. It writes nothing.
func (j joiner) check(ctx context.Context, o cluster.Offer) error {
	if err := checkClock(o.Time, time.Now()); err != nil {
		return err
	}
	if j.cfg.Origin != "" && j.cfg.Origin != o.Origin {
		return fmt.Errorf("its origin is %s, and that of this machine would be %s: leave the origin out", o.Origin, j.cfg.Origin)
	}
	key, err := j.cfg.master(ctx)
	if errors.Is(err, datadir.ErrNoMaster) {
		if key, err = offered(o); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	fingerprint, err := key.Fingerprint()
	if err != nil {
		return err
	}
	if fingerprint != o.MasterKey {
		return fmt.Errorf("its master key is %s, and %s is the master key %s: name that of the cluster, or join with a new data folder", o.MasterKey, j.cfg.masterName(), fingerprint)
	}
	return nil
}

// offered is the master key in an offer.
func offered(o cluster.Offer) (seal.MasterKey, error) {
	text, sent := o.Files[datadir.MasterFile]
	if !sent {
		return seal.MasterKey{}, fmt.Errorf("the servers of the cluster have their master key %s outside of their data folders, so it is not sent: name it here, too, with --master-key", o.MasterKey)
	}
	key, ok := datadir.ParseMaster(text)
	if !ok {
		return key, errors.New("the master key that it sends is none")
	}
	return key, nil
}

// keep writes the master key of an offer, unless this machine has it.
func (j joiner) keep(o cluster.Offer) error {
	if j.cfg.MasterKey.explicit() {
		return nil
	}
	if _, err := j.dir.Master(); !errors.Is(err, datadir.ErrNoMaster) {
		return err
	}
	key, err := offered(o)
	if err != nil {
		return err
	}
	return atomicfile.Create(j.dir.Path(datadir.MasterFile), datadir.EncodeMaster(key), 0o600)
}
