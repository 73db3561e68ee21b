//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Status is what this member knows about the cluster.
type Status struct {
	Members  []MemberStatus `json:"members"`
	Majority bool           `json:"majority"` // a majority of the members with a vote answers
	Running  bool           `json:"running"`  // this member takes part; if not, Members are those that it knew last
	Alarms   []string       `json:"alarms,omitempty"`
	Database int64          `json:"databaseBytes"` // of this member
	Used     int64          `json:"usedBytes"`     // of the database
	Quota    int64          `json:"quotaBytes"`
}

// MemberStatus is one member.
type MemberStatus struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // HOST:PORT under which the others reach it
	Leader  bool   `json:"leader,omitempty"`
	Learner bool   `json:"learner,omitempty"` // it has no vote yet
	Self    bool   `json:"self,omitempty"`
	Answers bool   `json:"answers"`
}

func idText(id uint64) string { return strconv.FormatUint(id, 16) }

// Status asks the members. It also works without a majority; then the list is as old as this member's last contact.
func (m *Member) Status(ctx context.Context) (s Status, err error) {
	server := m.etcd.Server
	leader := uint64(server.Leader())
	for _, one := range server.Cluster().Members() {
		s.Members = append(s.Members, MemberStatus{
			ID: idText(uint64(one.ID)), Name: nameOf(one.PeerURLs), Leader: uint64(one.ID) == leader,
			Learner: one.IsLearner, Self: one.ID == server.MemberID(), Answers: one.ID == server.MemberID(),
		})
	}
	m.askAll(ctx, s.Members)
	s.Running, s.Majority = true, majority(s.Members)
	for _, a := range server.Alarms() {
		s.Alarms = append(s.Alarms, fmt.Sprintf("%s: %s", idText(a.MemberID), alarmText(a.Alarm)))
	}
	s.Database, s.Used, s.Quota = server.Backend().Size(), server.Backend().SizeInUse(), m.quota
	return s, nil
}

// askAll sets which members answer.
func (m *Member) askAll(ctx context.Context, members []MemberStatus) {
	var waits sync.WaitGroup
	for i, one := range members {
		if one.Answers {
			continue
		}
		waits.Go(func() {
			_, err := m.ask(ctx, "https://"+one.Name)
			members[i].Answers = err == nil
		})
	}
	waits.Wait()
}

// majority reports whether more than half of the members with a vote answer.
func majority(members []MemberStatus) bool {
	voters, answering := 0, 0
	for _, one := range members {
		if one.Learner {
			continue
		}
		if voters++; one.Answers {
			answering++
		}
	}
	return answering > voters/2
}

// Known is the status that the member of a data folder knows without a running server. It asks the other members.
func Known(ctx context.Context, c Config) (s Status, err error) {
	m, err := read(c)
	if err != nil {
		return s, err
	}
	for _, p := range m.state.Members {
		one := MemberStatus{Name: nameOf([]string{p.URL}), Self: p.URL == m.state.Peer}
		if one.Self {
			one.ID = m.state.ID
		}
		s.Members = append(s.Members, one)
	}
	m.askAll(ctx, s.Members)
	s.Majority = majority(s.Members)
	return s, nil
}

// read returns the member of a data folder, which was not started.
func read(c Config) (*Member, error) {
	f := folderOf(c.Data)
	s, err := f.read()
	if err != nil {
		return nil, err
	}
	config, err := f.clientTLS()
	if err != nil {
		return nil, err
	}
	return newMember(c, f, s, config), nil
}

func alarmText(a pb.AlarmType) string {
	if a == pb.AlarmType_NOSPACE {
		return "its database has reached the quota, so writes are refused"
	}
	return "its data differ from those of other members: remove it and join again with a new data folder"
}

// Remove removes a member by its name or id. It refuses to remove one without which no majority would remain.
func (m *Member) Remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	list, err := m.client.MemberList(ctx)
	if err != nil {
		return unavailable(err)
	}
	var found *pb.Member
	var known []string
	voters := 0
	for _, one := range list.Members {
		known = append(known, nameOf(one.PeerURLs))
		if !one.IsLearner {
			voters++
		}
		if name == nameOf(one.PeerURLs) || name == idText(one.ID) {
			found = one
		}
	}
	switch {
	case found == nil:
		return fmt.Errorf("%q is not a member: the members are %s", name, strings.Join(known, ", "))
	case !found.IsLearner && voters == 1:
		return errors.New("it is the only member with a vote: without it the cluster would end")
	case found.ID == m.id():
		if err := m.yield(ctx); err != nil { // so that no write waits for an election
			return err
		}
	}
	err = m.settled(ctx, func() error {
		_, err := m.client.MemberRemove(ctx, found.ID)
		if errors.Is(err, rpctypes.ErrMemberNotFound) || err != nil && m.etcd.Server.IsIDRemoved(found.ID) {
			return nil // another member has removed it in the meantime, or this one ends because of it
		}
		return err
	})
	switch {
	case errors.Is(err, rpctypes.ErrUnhealthy), errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
		return fmt.Errorf("without %s no majority of the members would remain: first start, or remove, the members that do not answer; see `midas cluster status`", nameOf(found.PeerURLs))
	case err != nil:
		return unavailable(err)
	}
	m.log.InfoContext(ctx, "a member was removed", "member", nameOf(found.PeerURLs))
	if found.ID == m.id() {
		return nil
	}
	return m.remember()
}

// settleTime is longer than the 5 s for which etcd wants members to be connected before the membership changes.
const settleTime = 8 * time.Second

// settled runs a change of the membership, and runs it again while the members have not been connected long enough. etcd
// makes the id of a new member of its address and of the second, so it does not find the member if one with this
// address was removed in the same second.
func (m *Member) settled(parent context.Context, change func() error) error {
	ctx, cancel := context.WithTimeout(parent, settleTime)
	defer cancel()
	for {
		err := change()
		if !errors.Is(err, rpctypes.ErrUnhealthy) && !errors.Is(err, rpctypes.ErrMemberNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}
