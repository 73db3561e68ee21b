//go:build cluster

package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/cluster"
)

// leader returns the name of the leader as a member knows it.
func (m *machine) leader(t *testing.T) string {
	t.Helper()
	status, err := m.member.Status(within(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range status.Members {
		if one.Leader {
			return one.Name
		}
	}
	return ""
}

// A machine refuses what it is offered before it is a member, and its token stays good.
func TestAnOfferIsRefusedBeforeAnythingChanges(t *testing.T) {
	t.Parallel()
	one, two := begin(t), newMachine(t)
	by := invitation(t, one, one.token(t, time.Hour))
	accept := by.Check
	by.Check = func(cluster.Offer) error { return errors.New("another master key") }
	by.Keep = func(cluster.Offer) error { t.Error("kept"); return nil }
	wantError(t, cluster.Join(within(t), two.config, two.at, by), "another master key")
	if entries, err := os.ReadDir(two.config.Data); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if status, err := one.member.Status(within(t)); err != nil || len(status.Members) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	by.Check, by.Keep = accept, func(cluster.Offer) error { return nil }
	if err := cluster.Join(within(t), two.config, two.at, by); err != nil {
		t.Error(err)
	}
}

// A join ends after the cluster has added the machine and before the machine has written its folder, or in between.
// It is repeated with a new token, and the machine becomes a member.
func TestAnInterruptedJoinIsRepeated(t *testing.T) {
	t.Parallel()
	one, two := begin(t), newMachine(t)
	by := invitation(t, one, one.token(t, time.Hour))
	by.Keep = func(cluster.Offer) error { return errors.New("killed") }
	wantError(t, cluster.Join(within(t), two.config, two.at, by), "killed")
	status, err := one.member.Status(within(t))
	if err != nil || len(status.Members) != 2 {
		t.Fatalf("%+v, %v", status, err)
	}
	for _, written := range [][]string{nil, {"ca-key.pem"}, {"ca-key.pem", "ca.pem"}, {"ca-key.pem", "ca.pem", "member-key.pem", "member.pem"}} {
		dir := filepath.Join(two.config.Data, cluster.Folder)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range written {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_ = os.Remove(filepath.Join(dir, "state.json"))
		if err := two.join(t, one, one.token(t, time.Hour)); err != nil {
			t.Fatalf("after %q: %v", written, err)
		}
	}
	two.open(t)
	t.Cleanup(func() { _ = two.member.Close() })
	one.put(t, "x")
	two.wantValue(t, "x")
	if status, err = one.member.Status(within(t)); err != nil || len(status.Members) != 2 {
		t.Errorf("%+v, %v", status, err)
	}
	// A member that has started is not replaced by a machine that only has its address.
	other := newMachine(t)
	other.at.Advertise = two.at.Advertise
	wantError(t, other.join(t, one, one.token(t, time.Hour)), "already is a member", "midas cluster remove")
}

// A machine that has joined and never came is removed after a while.
func TestAMachineThatNeverComesIsRemoved(t *testing.T) {
	t.Parallel()
	one := newMachine(t)
	var later atomic.Int64
	one.config.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	if err := cluster.Begin(one.config, one.at); err != nil {
		t.Fatal(err)
	}
	one.open(t)
	one.serve(t)
	if err := newMachine(t).join(t, one, one.token(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		later   time.Duration
		members int
	}{{0, 2}, {59 * time.Minute, 2}, {61 * time.Minute, 1}} {
		later.Store(int64(c.later))
		if err := one.member.Upkeep(within(t)); err != nil {
			t.Fatal(err)
		}
		if status, err := one.member.Status(within(t)); err != nil || len(status.Members) != c.members {
			t.Errorf("after %s: %+v, %v", c.later, status, err)
		}
	}
}

func TestTwoMachinesJoinAtTheSameMoment(t *testing.T) {
	t.Parallel()
	one := begin(t)
	others := []*machine{newMachine(t), newMachine(t)}
	joined := make(chan error, len(others))
	for _, m := range others {
		token := one.token(t, time.Hour)
		go func() {
			err := m.join(t, one, token)
			if err == nil {
				m.member, err = cluster.Open(within(t), m.config)
			}
			joined <- err
		}()
	}
	for range others {
		if err := <-joined; err != nil {
			t.Error(err)
		}
	}
	for _, m := range others {
		if m.member == nil {
			t.FailNow()
		}
		t.Cleanup(func() { _ = m.member.Close() })
	}
	status, err := one.member.Status(within(t))
	if err != nil || len(status.Members) != 3 || !status.Majority {
		t.Fatalf("%+v, %v", status, err)
	}
	one.put(t, "x")
	for _, m := range others {
		m.wantValue(t, "x")
	}
}

// The leader, and the member that is asked, can be removed like others.
func TestTheLeaderRemovesItself(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	three := joined(t, one)
	if got := one.leader(t); got != one.at.Advertise {
		t.Fatalf("the leader is %s", got)
	}
	if err := one.member.Remove(within(t), one.at.Advertise); err != nil {
		t.Fatal(err)
	}
	select {
	case <-one.member.Done():
	case <-within(t).Done():
		t.Fatal("it goes on")
	}
	if err := one.member.Err(); !errors.Is(err, cluster.ErrRemoved) {
		t.Errorf("it ends with %v", err)
	}
	two.put(t, "x")
	three.wantValue(t, "x")

	// Its address is used again, by a new folder. Then the old one is still refused.
	again := newMachine(t)
	again.at = one.at
	_ = one.member.Close()
	if err := again.join(t, two, two.token(t, time.Hour)); err != nil {
		t.Fatal(err)
	}
	again.open(t)
	again.wantValue(t, "x")
	_ = again.member.Close()
	if _, err := cluster.Open(within(t), one.config); !errors.Is(err, cluster.ErrRemoved) {
		t.Errorf("the old folder: %v", err)
	}
	again.open(t)
	_ = again.member.Close()
}

// When the leader ends in an orderly way, another member leads at once, and no write fails meanwhile.
func TestTheLeaderHandsOver(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	three := joined(t, one)
	writer, stop := two.client(t), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				failed <- nil
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, err := writer.Put(ctx, "/test", "y")
			cancel()
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	term := one.member.Term()
	if err := one.member.Close(); err != nil {
		t.Fatal(err)
	}
	if leader := two.leader(t); leader != two.at.Advertise && leader != three.at.Advertise {
		t.Errorf("after the end of the leader %q leads", leader)
	}
	if is := two.member.Term(); is != term+1 {
		t.Errorf("elections: %d", is-term)
	}
	close(stop)
	if err := <-failed; err != nil {
		t.Errorf("a write during the end: %v", err)
	}
}

// Without a majority the status says so, from what a member knows, also if it does not run.
func TestStatusWithoutAMajority(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	three := joined(t, one)
	_, _ = two.member.Close(), three.member.Close()
	status, err := one.member.Status(within(t))
	if err != nil || status.Majority || !status.Running || len(status.Members) != 3 {
		t.Errorf("%+v, %v", status, err)
	}
	_ = one.member.Close()
	known, err := cluster.Known(within(t), one.config)
	if err != nil || known.Majority || known.Running || len(known.Members) != 3 {
		t.Errorf("%+v, %v", known, err)
	}
	for _, m := range known.Members {
		if m.Self != (m.Name == one.at.Advertise) || m.Answers {
			t.Errorf("%+v", m)
		}
	}
}

// After the majority is lost for ever, the last member goes on alone; the old folders are refused, and new machines join.
func TestTheLastMemberGoesOnAlone(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	three := joined(t, one)
	one.put(t, "kept")
	three.wantValue(t, "kept")
	_ = one.member.Close()
	wantError(t, cluster.Reset(within(t), one.config), "other members still run", two.at.Advertise, "midas cluster remove")
	_, _ = two.member.Close(), three.member.Close()
	for range 2 { // the second time as after an interruption
		if err := cluster.Reset(within(t), one.config); err != nil {
			t.Fatal(err)
		}
	}
	one.open(t)
	one.serve(t)
	one.wantValue(t, "kept")
	status, err := one.member.Status(within(t))
	if err != nil || len(status.Members) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := cluster.Open(within(t), two.config); !errors.Is(err, cluster.ErrRemoved) {
		t.Errorf("an old member starts: %v", err)
	}
	four := joined(t, one)
	four.put(t, "new")
	one.wantValue(t, "new")
}

func TestOtherVersionsOfEtcd(t *testing.T) {
	t.Parallel()
	one := begin(t)
	for version, words := range map[string]string{
		"3.7.0": "", "3.7.99": "", "3.8.1": "", "3.6.12": "too old", "2.3.8": "too old", "3.9.0": "too new", "4.0.0": "too new", "": "is not one", "x": "is not one",
	} {
		err := one.member.CheckEtcd(version)
		if words == "" && err != nil || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// A member that waits for a majority ends when it is told to.
func TestAMemberThatWaitsForAMajorityEnds(t *testing.T) {
	t.Parallel()
	one := begin(t)
	two := joined(t, one)
	if err := errors.Join(two.member.Close(), one.member.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := cluster.Open(ctx, one.config)
		ended <- err
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(fmt.Sprint(err), "did not become ready") {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the member does not end")
	}
}

// A machine that the others could not reach is refused before it is added, and its token stays good.
func TestAMachineBehindALoopbackAddressIsRefused(t *testing.T) {
	t.Parallel()
	far, near := newMachine(t), begin(t)
	far.at.Advertise = "192.0.2.1:2380"
	if err := cluster.Begin(far.config, far.at); err != nil {
		t.Fatal(err)
	}
	far.open(t)
	far.serve(t)
	token := far.token(t, time.Hour)
	wantError(t, newMachine(t).join(t, far, token), "cannot reach this machine at 127.", "--advertise")
	named := newMachine(t)
	named.at.Advertise = "localhost:2380"
	wantError(t, named.join(t, far, token), "cannot reach this machine at localhost")
	remote := newMachine(t)
	remote.at.Advertise = "192.0.2.2:2380"
	wantError(t, remote.join(t, near, near.token(t, time.Hour)), "advertises 127.", "begin the cluster anew")
	if err := remote.join(t, far, token); err != nil {
		t.Error(err)
	}
}

// A machine whose port is taken is refused before it is added, and its token stays good.
func TestAMachineWhosePortIsTakenIsNotAdded(t *testing.T) {
	t.Parallel()
	one, two, first := begin(t), newMachine(t), newMachine(t)
	token := one.token(t, time.Hour)
	for _, m := range []*machine{two, first} {
		l, err := net.Listen("tcp", m.at.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	wantError(t, two.join(t, one, token), "another program listens on "+two.at.Listen)
	wantError(t, cluster.Begin(first.config, first.at), "another program listens on")
	foreign := newMachine(t)
	foreign.at.Listen = "192.0.2.1:2380"
	wantError(t, foreign.join(t, one, token), "--peer-listen")
	for _, m := range []*machine{two, first, foreign} {
		if entries, err := os.ReadDir(m.config.Data); err != nil || len(entries) > 0 {
			t.Errorf("%v, %v", entries, err)
		}
	}
	if status, err := one.member.Status(within(t)); err != nil || len(status.Members) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if err := newMachine(t).join(t, one, token); err != nil {
		t.Error(err)
	}
}
