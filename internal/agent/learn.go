package agent

import (
	"math"
	"math/rand/v2"
)

// newLink makes a link. The caller gives it the learnt servers.
func (a *Agent) newLink(c Credential) (*link, error) {
	return newLink(c, linkOptions{now: a.Now, log: a.Log, learn: a.learn})
}

// learn takes over what a server says about the addresses of all replicas. Each agent asks them in an order of its own,
// so that not all agents turn to the same replica when another one ends.
func (a *Agent) learn(all learnt) {
	a.mu.Lock()
	if a.link == nil {
		a.mu.Unlock()
		return
	}
	all = all.checked(a.link.named)
	same := all.same(a.learnt)
	if !same {
		rand.Shuffle(len(all.Servers), func(i, j int) { all.Servers[i], all.Servers[j] = all.Servers[j], all.Servers[i] })
		a.learnt = all
		a.link.setLearnt(all)
	}
	a.mu.Unlock()
	if same {
		return
	}
	a.Log.Info("the server has other addresses", "servers", all.Servers)
	if a.SaveLearnt == nil {
		return
	}
	if err := a.SaveLearnt(all); err != nil {
		a.Log.Warn("the addresses of the server could not be saved: after a restart the agent has to learn them again", "cause", err)
	}
}

// revision is what requests send in host.HeaderRevision. After the server has removed the host, it asks for the newest
// one: a replica that does not know this yet would still give tokens.
func (a *Agent) revision() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.revoked:
		return math.MaxUint64
	case a.state == nil:
		return 0
	}
	return a.state.Revision
}
