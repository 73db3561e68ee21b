//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	rememberEvery = time.Second
	upkeepEvery   = 60 // seconds

	// A database is defragmented if at least half of it, and this much, is free. Writes wait meanwhile.
	defragmentFree = 64 << 20
	defragmentKey  = "/cluster/defragmenting"
	defragmentTime = 10 * time.Minute
)

// run does the upkeep until Close.
func (m *Member) run() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.jobs.Go(func() {
		for second := 0; ctx.Err() == nil; second++ {
			if err := m.upkeep(ctx, second%upkeepEvery == 0); err != nil && ctx.Err() == nil && second%upkeepEvery == 0 {
				m.log.WarnContext(ctx, "the upkeep of the cluster's member has failed; it is tried again", "cause", err)
			}
			select {
			case <-ctx.Done():
			case <-m.ended:
				return
			case <-time.After(rememberEvery):
			}
		}
	})
}

// upkeep notes the members. If all is due, it also renews this member's certificate, and gives back space.
func (m *Member) upkeep(ctx context.Context, all bool) error {
	err := m.remember()
	if !all || err != nil {
		return err
	}
	return errors.Join(m.folder.renew(hostOf(m.state.Peer), m.now()), m.GiveBack(ctx))
}

// GiveBack defragments this member's database if much of it is free, unless another member does so now. After it
// the alarm of a full database is ended if there is space again.
func (m *Member) GiveBack(ctx context.Context) error {
	backend := m.etcd.Server.Backend()
	if free := backend.Size() - backend.SizeInUse(); free < defragmentFree || free < backend.Size()/2 {
		return m.endAlarm(ctx)
	}
	done, err := m.turn(ctx)
	if err != nil || done == nil {
		return err
	}
	defer done()
	before := backend.Size()
	if err := m.etcd.Server.Defragment(); err != nil {
		return fmt.Errorf("defragment the database: %w", err)
	}
	m.log.InfoContext(ctx, "the database was defragmented", "before", before, "after", backend.Size())
	return m.endAlarm(ctx)
}

// turn makes this member the only one that defragments. It returns nil if another one does. A lease ends the
// turn of a member that has died. Two members that defragment at once are slow, but not wrong.
func (m *Member) turn(parent context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
	if m.full() { // no key can be put then, and no write waits
		return func() {}, nil
	}
	lease, err := m.client.Grant(ctx, int64(defragmentTime/time.Second))
	if err != nil {
		return nil, unavailable(err)
	}
	end := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), 5*time.Second)
		defer cancel()
		_, _ = m.client.Revoke(ctx, lease.ID) // else the lease ends by itself
	}
	got, err := m.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(defragmentKey), "=", 0)).
		Then(clientv3.OpPut(defragmentKey, m.state.Name, clientv3.WithLease(lease.ID))).Commit()
	if err != nil {
		end()
		return nil, unavailable(err)
	}
	if !got.Succeeded {
		end()
		return nil, nil
	}
	return end, nil
}

// full reports whether this member has raised the alarm of a full database.
func (m *Member) full() bool {
	for _, a := range m.etcd.Server.Alarms() {
		if a.MemberID == m.id() && a.Alarm == pb.AlarmType_NOSPACE {
			return true
		}
	}
	return false
}

// endAlarm ends this member's alarm of a full database when a tenth of the quota is free.
func (m *Member) endAlarm(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
	if !m.full() || m.etcd.Server.Backend().Size() > quota/10*9 {
		return nil
	}
	_, err := m.client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: m.id(), Alarm: pb.AlarmType_NOSPACE})
	if err != nil {
		return unavailable(err)
	}
	m.log.InfoContext(ctx, "the database has space again, and takes writes")
	return nil
}
