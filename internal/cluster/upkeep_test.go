//go:build cluster

package cluster_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"midas/internal/cluster"
)

// certificate is the one that a member serves to members.
func (m *machine) certificate(t *testing.T) *x509.Certificate {
	t.Helper()
	config, err := m.member.TLS()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tls.Dial("tcp", m.at.Listen, config)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func TestAMemberRenewsItsCertificateWithoutARestart(t *testing.T) {
	t.Parallel()
	one := newMachine(t)
	var shift atomic.Int64
	shift.Store(int64(-300 * 24 * time.Hour))
	one.config.Now = func() time.Time { return time.Now().Add(time.Duration(shift.Load())) }
	if err := cluster.Begin(one.config, one.at); err != nil {
		t.Fatal(err)
	}
	one.open(t)
	t.Cleanup(func() { _ = one.member.Close() })
	old := one.certificate(t)
	if err := one.member.Upkeep(within(t)); err != nil {
		t.Fatal(err)
	}
	if !one.certificate(t).Equal(old) {
		t.Error("it was renewed too early")
	}
	shift.Store(0)
	if err := one.member.Upkeep(within(t)); err != nil {
		t.Fatal(err)
	}
	if renewed := one.certificate(t); renewed.NotAfter.Sub(old.NotAfter) < 299*24*time.Hour {
		t.Errorf("it ends at %s, before at %s", renewed.NotAfter, old.NotAfter)
	}
	one.put(t, "x")
}

// A full database is compacted and defragmented, and takes writes again. One that is full of what is stored takes them
// with a larger quota.
func TestAFullDatabase(t *testing.T) {
	t.Parallel()
	one := newMachine(t)
	one.config.Quota = 16 << 20
	if err := cluster.Begin(one.config, one.at); err != nil {
		t.Fatal(err)
	}
	one.open(t)
	client, large := one.client(t), strings.Repeat("x", 1<<20)
	fill := func(key func(int) string) {
		t.Helper()
		for i := 0; ; i++ {
			if _, err := client.Put(within(t), key(i), large); err != nil {
				wantError(t, err, "database space exceeded")
				return
			}
		}
	}
	fill(func(int) string { return "/same" })
	if !one.member.Full() {
		t.Fatal("there is no alarm")
	}
	if status, err := one.member.Status(within(t)); err != nil || len(status.Alarms) != 1 || status.Quota != 16<<20 {
		t.Errorf("%+v, %v", status, err)
	}
	if err := one.member.Upkeep(within(t)); err != nil {
		t.Fatal(err)
	}
	one.put(t, "again")
	if one.member.Full() || one.member.Size() > 8<<20 {
		t.Errorf("full %v, %d bytes", one.member.Full(), one.member.Size())
	}
	for round := 0; !one.member.Full(); round++ { // what defragmentation gives back is filled again
		if round == 20 {
			t.Fatal("the alarm has ended without space")
		}
		fill(func(i int) string { return fmt.Sprintf("/other/%d/%d", round, i) })
		if err := one.member.Upkeep(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	_ = one.member.Close()
	one.config.Quota = 64 << 20
	one.open(t)
	t.Cleanup(func() { _ = one.member.Close() })
	if err := one.member.Upkeep(within(t)); err != nil {
		t.Fatal(err)
	}
	one.put(t, "more")
}

// The leader hands its leadership over before it defragments.
func TestTheLeaderYields(t *testing.T) {
	t.Parallel()
	one := begin(t)
	if err := one.member.Yield(within(t)); err != nil {
		t.Fatal(err) // alone, it stays the leader
	}
	two := joined(t, one)
	if err := one.member.Yield(within(t)); err != nil {
		t.Fatal(err)
	}
	if got := one.leader(t); got != two.at.Advertise {
		t.Errorf("%s leads", got)
	}
	one.put(t, "x")
	two.wantValue(t, "x")
}

// Strangers who connect to the port for members and say nothing keep no member away, and are not kept for ever.
func TestStrangersDoNotStarveMembers(t *testing.T) {
	t.Parallel()
	one := begin(t)
	var silent []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", one.at.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		silent = append(silent, conn)
	}
	kept := 0
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second / 50))
		if _, err := conn.Read(make([]byte, 1)); err != nil && strings.Contains(err.Error(), "timeout") {
			kept++
		}
	}
	if kept > 64 {
		t.Errorf("%d silent connections are kept", kept)
	}
	two := joined(t, one)
	two.put(t, "x")
	for _, conn := range silent {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := conn.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Fatalf("a silent connection: %v", err)
		}
	}
}
