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
	var waits sync.WaitGroup
	members := server.Cluster().Members()
	s.Members = make([]MemberStatus, len(members))
	for i, one := range members {
		s.Members[i] = MemberStatus{
			ID: idText(uint64(one.ID)), Name: nameOf(one.PeerURLs), Leader: uint64(one.ID) == leader,
			Learner: one.IsLearner, Self: one.ID == server.MemberID(),
		}
		waits.Go(func() {
			_, err := m.ask(ctx, one.PeerURLs[0])
			s.Members[i].Answers = err == nil || s.Members[i].Self
		})
	}
	waits.Wait()
	for _, a := range server.Alarms() {
		s.Alarms = append(s.Alarms, fmt.Sprintf("%s: %s", idText(a.MemberID), alarmText(a.Alarm)))
	}
	s.Database, s.Used, s.Quota = server.Backend().Size(), server.Backend().SizeInUse(), quota
	return s, nil
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
	}
	err = m.settled(ctx, func() error {
		_, err := m.client.MemberRemove(ctx, found.ID)
		return err
	})
	switch {
	case errors.Is(err, rpctypes.ErrUnhealthy), errors.Is(err, rpctypes.ErrMemberNotEnoughStarted):
		return fmt.Errorf("without %s no majority of the members would remain: first start, or remove, the members that do not answer; see `midas cluster status`", nameOf(found.PeerURLs))
	case err != nil:
		return unavailable(err)
	}
	m.log.InfoContext(ctx, "a member was removed", "member", nameOf(found.PeerURLs))
	return m.remember()
}

// settleTime is longer than the 5 s for which etcd wants members to be connected before the membership changes.
const settleTime = 8 * time.Second

// settled runs a change of the membership, and runs it again while the members have not been connected long enough.
func (m *Member) settled(parent context.Context, change func() error) error {
	ctx, cancel := context.WithTimeout(parent, settleTime)
	defer cancel()
	for {
		err := change()
		if !errors.Is(err, rpctypes.ErrUnhealthy) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}
