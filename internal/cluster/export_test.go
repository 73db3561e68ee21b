//go:build cluster

package cluster

import "context"

// Upkeep does at once what a member does every minute.
func (m *Member) Upkeep(ctx context.Context) error { return m.upkeep(ctx, true) }

// Yield hands the leadership to another member.
func (m *Member) Yield(ctx context.Context) error { return m.yield(ctx) }

// Full reports whether this member has raised the alarm of a full database.
func (m *Member) Full() bool { return m.full() }

// Size is the size of the database.
func (m *Member) Size() int64 { return m.etcd.Server.Backend().Size() }

// Term is the number of the election after which this member follows its leader.
func (m *Member) Term() uint64 { return m.etcd.Server.Term() }

// CheckEtcd compares the version of etcd of a joining machine with the one of this member's cluster.
func (m *Member) CheckEtcd(version string) error {
	return checkEtcd(version, m.clusterVersion())
}

// Enough returns an error if a new member needs more space than a data folder has.
func Enough(data string, free int64) error { return checkFree(data, free) }

// FreeSpace is the space that a data folder has.
func FreeSpace(data string) (bytes int64, known bool) { return freeSpace(data) }
