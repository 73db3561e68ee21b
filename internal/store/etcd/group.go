//go:build cluster

package etcd

// group has the commits that become one Txn. etcd compares all guards of a Txn before it writes anything, and a Txn
// writes no key twice. So a commit that writes a key which another one of the group writes or guards is not in it: it
// would be decided by what the other one has not written yet.
type group struct {
	commits []*pending

	operations, bytes int // the limits

	most int             // operations of one commit
	size int             // bytes
	full bool            // a commit did not fit
	keys map[string]bool // that are guarded; true if written. Also those of the commits that wait for a later group
}

func newGroup(operations, bytes int) *group {
	return &group{operations: operations, bytes: bytes, keys: make(map[string]bool)}
}

// take adds the next waiting commit, and reports whether it has done so. A commit with keys of one that was not
// taken is not taken either, so that none is overtaken again and again by others which it meets.
func (g *group) take(p *pending) bool {
	g.full = g.full || !g.fits(p)
	if g.full {
		return false
	}
	meets := g.meets(p)
	for _, guard := range p.commit.Guards {
		if !g.keys[guard.Key] {
			g.keys[guard.Key] = false // guarded, and not written
		}
	}
	for _, w := range p.commit.Writes {
		g.keys[w.Key] = true
	}
	if meets {
		return false
	}
	g.commits = append(g.commits, p)
	g.most, g.size = max(g.most, p.operations()), g.size+p.bytes
	return true
}

// fits reports whether etcd takes the group with one commit more. The first one always fits, because it is sent as it
// is. etcd counts the operations on the way to the innermost ones: the commits and the head, and those of a commit.
func (g *group) fits(p *pending) bool {
	n := len(g.commits) + 1
	return n == 1 || n <= mostCommits && n+1+max(g.most, p.operations()) <= g.operations && g.size+p.bytes <= g.bytes
}

// meets reports whether a commit and one before it have a key in common that one of them writes.
func (g *group) meets(p *pending) bool {
	for _, guard := range p.commit.Guards {
		if g.keys[guard.Key] {
			return true
		}
	}
	for _, w := range p.commit.Writes {
		if _, used := g.keys[w.Key]; used {
			return true
		}
	}
	return false
}
