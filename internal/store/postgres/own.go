//go:build cluster

package postgres

import (
	"sync"

	"midas/internal/store"
)

// Bounds of the commits that ownCommits keeps.
const (
	mostOwnCommits     = 4 * mostCommits
	mostOwnCommitBytes = 4 << 20 // unless one commit alone is greater
)

// ownCommits keeps the newest commits of this process, so that the watches need not read them from the database.
type ownCommits struct {
	mu      sync.Mutex
	commits []ownCommit // oldest first
	bytes   int
}

// ownCommit is a commit that the database has made durable.
type ownCommit struct {
	*pending
	revision store.Revision
}

// add appends commits. Their revisions are newer than those before, unless the database has lost commits.
func (o *ownCommits) add(commits []ownCommit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range commits {
		if last := len(o.commits) - 1; last >= 0 && o.commits[last].revision >= c.revision {
			o.commits, o.bytes = nil, 0
		}
		o.commits, o.bytes = append(o.commits, c), o.bytes+c.bytes
	}
	for len(o.commits) > 1 && (len(o.commits) > mostOwnCommits || o.bytes > mostOwnCommitBytes) {
		o.bytes -= o.commits[0].bytes
		o.commits[0] = ownCommit{} // its values can be freed before append moves the rest
		o.commits = o.commits[1:]
	}
}

// forget drops all commits, because the database may have lost some of them: a standby has taken over.
func (o *ownCommits) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commits, o.bytes = nil, 0
}

// after returns the changes of the commits that follow a revision without a gap.
func (o *ownCommits) after(rev store.Revision) (entries []entry) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := len(o.commits)
	for first > 0 && o.commits[first-1].revision > rev {
		first--
	}
	for _, c := range o.commits[first:] {
		if c.revision != rev+1 {
			break
		}
		rev = c.revision
		entries = append(entries, c.entries()...)
	}
	return entries
}

// entries returns the changes of the commit as the table "changes" has them.
func (c ownCommit) entries() []entry {
	writes := c.commit.Writes
	entries := make([]entry, len(writes))
	for i, w := range writes {
		entries[i] = entry{
			position: position{revision: c.revision, index: int32(i + 1), mark: &c.mark},
			last:     i == len(writes)-1, key: w.Key, value: valueOf(w),
		}
	}
	return entries
}

// valueOf returns the value of a column: nil for a key that is deleted, and only then.
func valueOf(w store.Write) []byte {
	switch {
	case w.Delete:
		return nil
	case w.Value == nil:
		return []byte{}
	}
	return w.Value
}
