package store

import "sync"

// Bounds of the commits that a Follower keeps for its consumers. One that is further behind reads the engine's feed.
const (
	mostKept      = 1024
	mostKeptBytes = 4 << 20 // unless one commit alone is greater
)

// feedLog holds the newest commits that Head shows. All consumers of Follower.Watch read it, so that the engine has one
// feed for all of them.
type feedLog struct {
	mu      sync.Mutex
	loads   uint64   // how often the feed has begun; 0 before it
	lost    uint64   // the last of these beginnings that may be in another history than the feed before; 0 if none was
	after   Revision // commits has all commits after this one
	newest  Revision
	commits []keptCommit // oldest first
	bytes   int
	more    chan struct{} // closed when there is something new
}

// keptCommit is one commit of a feedLog.
type keptCommit struct {
	revision Revision
	writes   []Write
	bytes    int
}

func (l *feedLog) init() { l.more = make(chan struct{}) }

// reset forgets all commits: the feed has begun anew after a revision. If lost is true, the database may have lost commits
// that the feed has shown before.
func (l *feedLog) reset(loads uint64, after Revision, lost bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lost {
		l.lost = loads
	}
	l.loads, l.after, l.newest, l.commits, l.bytes = loads, after, after, nil, 0
	l.wake()
}

// add appends the next commit, and drops the oldest ones beyond the bounds.
func (l *feedLog) add(rev Revision, writes []Write) {
	c := keptCommit{revision: rev, writes: writes}
	for _, w := range writes {
		c.bytes += len(w.Key) + len(w.Value)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.commits, l.newest, l.bytes = append(l.commits, c), rev, l.bytes+c.bytes
	for len(l.commits) > 1 && (len(l.commits) > mostKept || l.bytes > mostKeptBytes) {
		l.after, l.bytes = l.commits[0].revision, l.bytes-l.commits[0].bytes
		l.commits[0] = keptCommit{} // its values can be freed before append moves the rest
		l.commits = l.commits[1:]
	}
	l.wake()
}

func (l *feedLog) wake() {
	close(l.more)
	l.more = make(chan struct{})
}

// begun returns how often the feed has begun.
func (l *feedLog) begun() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads
}

// follows returns how often the feed has begun, and whether its history is still the one that it had when it had begun
// as often as loads says.
func (l *feedLog) follows(loads uint64) (now uint64, same bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loads, l.lost <= loads
}

// has reports whether the log has all commits after a revision of the feed that has begun so often. It has not, if the
// revision is newer than all commits: it may be one that the database has lost.
func (l *feedLog) has(loads uint64, after Revision) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.covers(loads, after)
}

// covers is has. The caller holds l.mu.
func (l *feedLog) covers(loads uint64, after Revision) bool {
	return loads > 0 && l.loads == loads && l.after <= after && after <= l.newest
}

// since returns the commits after a revision, and a channel that is closed when there are more. known is false if has
// is false.
func (l *feedLog) since(loads uint64, after Revision) (commits []keptCommit, more <-chan struct{}, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.covers(loads, after) {
		return nil, nil, false
	}
	first := len(l.commits)
	for first > 0 && l.commits[first-1].revision > after {
		first--
	}
	return append(commits, l.commits[first:]...), l.more, true
}
