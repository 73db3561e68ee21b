//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
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

// upkeep notes the members. If all is due, it also renews this member's certificate, removes machines that never came,
// and gives back space.
func (m *Member) upkeep(ctx context.Context, all bool) error {
	err := m.remember()
	if !all {
		return err
	}
	return errors.Join(err, m.folder.renew(hostOf(m.state.Peer), m.now()), m.tidy(ctx), m.GiveBack(ctx))
}

// absentFor is for how long a machine that has joined may need to start its member.
const absentFor = time.Hour

// tidy removes learners that have not started for long: their machines have failed while they joined. The leader does so.
func (m *Member) tidy(parent context.Context) error {
	m.tidying.Lock()
	defer m.tidying.Unlock()
	if uint64(m.etcd.Server.Leader()) != m.id() {
		clear(m.absentees)
		return nil
	}
	ctx, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
	list, err := m.client.MemberList(ctx)
	if err != nil {
		return unavailable(err)
	}
	was := m.absentees
	m.absentees = map[uint64]time.Time{}
	for _, one := range list.Members {
		if !neverStarted(one) {
			continue
		}
		since, known := was[one.ID]
		if !known {
			since = m.now()
		}
		if m.absentees[one.ID] = since; m.now().Sub(since) < absentFor {
			continue
		}
		if _, err := m.client.MemberRemove(ctx, one.ID); err != nil {
			return unavailable(err)
		}
		m.log.WarnContext(ctx, "a machine that has joined was removed, because it has never started", "member", nameOf(one.PeerURLs), "within", absentFor)
	}
	return nil
}

// GiveBack defragments this member's database if much of it is free. Meanwhile the member answers nothing, so all other
// members must answer, only one defragments at a time, and the leader first hands its leadership to another one. If the
// database is full, it is compacted and defragmented at once, and takes writes again if that has helped.
func (m *Member) GiveBack(ctx context.Context) error {
	if m.full() {
		return m.relieve(ctx)
	}
	backend := m.etcd.Server.Backend()
	if free := backend.Size() - backend.SizeInUse(); free < defragmentFree || free < backend.Size()/2 {
		return nil
	}
	status, err := m.Status(ctx)
	if err != nil || !allAnswer(status.Members) {
		return err
	}
	done, err := m.turn(ctx)
	if err != nil || done == nil {
		return err
	}
	defer done()
	if err := m.yield(ctx); err != nil {
		return err
	}
	return m.defragment(ctx)
}

func allAnswer(members []MemberStatus) bool {
	return !slices.ContainsFunc(members, func(s MemberStatus) bool { return !s.Answers })
}

// yield hands the leadership to another member, if this one has it and there is another one with a vote.
func (m *Member) yield(parent context.Context) error {
	server := m.etcd.Server
	if uint64(server.Leader()) != m.id() {
		return nil
	}
	ctx, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
	status, err := m.Status(ctx)
	if err != nil {
		return err
	}
	for _, one := range status.Members {
		if one.Self || one.Learner || !one.Answers {
			continue
		}
		id, err := strconv.ParseUint(one.ID, 16, 64)
		if err != nil {
			return fmt.Errorf("the id of a member: %w", err)
		}
		if err := server.MoveLeader(ctx, m.id(), id); err != nil {
			return fmt.Errorf("hand the leadership to %s: %w", one.Name, err)
		}
		return nil
	}
	return nil
}

func (m *Member) defragment(ctx context.Context) error {
	backend := m.etcd.Server.Backend()
	before := backend.Size()
	if err := m.etcd.Server.Defragment(); err != nil {
		return fmt.Errorf("defragment the database: %w", err)
	}
	m.log.InfoContext(ctx, "the database was defragmented", "before", before, "after", backend.Size())
	return nil
}

// relieve makes space in a full database. etcd takes compactions while it refuses writes.
func (m *Member) relieve(parent context.Context) error {
	ctx, cancel := context.WithTimeout(parent, defragmentTime)
	defer cancel()
	got, err := m.client.Get(ctx, defragmentKey)
	if err != nil {
		return unavailable(err)
	}
	if _, err := m.client.Compact(ctx, got.Header.Revision, clientv3.WithCompactPhysical()); err != nil && !errors.Is(err, rpctypes.ErrCompacted) {
		return unavailable(err)
	}
	if backend := m.etcd.Server.Backend(); backend.Size() > m.enough() && backend.Size()-backend.SizeInUse() > m.quota/100 {
		if err := m.defragment(ctx); err != nil {
			return err
		}
	}
	return m.endAlarm(ctx)
}

// enough is the size of a database that was full and takes writes again.
func (m *Member) enough() int64 { return m.quota / 10 * 9 }

// turn makes this member the only one that defragments. It returns nil if another one does. A lease ends the
// turn of a member that has died. Two members that defragment at once are slow, but not wrong.
func (m *Member) turn(parent context.Context) (done func(), err error) {
	ctx, cancel := context.WithTimeout(parent, 10*time.Second)
	defer cancel()
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
	if size := m.etcd.Server.Backend().Size(); size > m.enough() {
		m.log.ErrorContext(ctx, "writes are refused, because the database is full of what is stored: start all servers of the cluster with a larger cluster.maxSize (--cluster-max-size)",
			"size", size, "maxSize", m.quota)
		return nil
	}
	_, err := m.client.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: m.id(), Alarm: pb.AlarmType_NOSPACE})
	if err != nil {
		return unavailable(err)
	}
	m.log.InfoContext(ctx, "the database has space again, and takes writes")
	return nil
}
