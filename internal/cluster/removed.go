//go:build cluster

package cluster

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
)

// remote is a member as another member lists it.
type remote struct {
	ID       uint64   `json:"id"`
	PeerURLs []string `json:"peerURLs"`
	Learner  bool     `json:"isLearner"`
}

// checkRemoved returns ErrRemoved if the other members say that this one was removed. A member may be behind, so a
// majority of those that it lists must agree. If too few of them answer, etcd itself notices it later.
func (m *Member) checkRemoved(ctx context.Context) error {
	if without, voters := m.absent(ctx); without > voters/2 {
		return ErrRemoved
	}
	return nil
}

// absent counts the members that answer and do not know this one, and the voters that they know. It is 0 if any of
// them knows it.
func (m *Member) absent(ctx context.Context) (without, voters int) {
	m.mu.Lock()
	s := m.state
	m.mu.Unlock()
	if s.ID == "" {
		return 0, 0
	}
	for _, p := range s.Members {
		if p.URL == s.Peer {
			continue
		}
		list, err := m.ask(ctx, p.URL)
		if err != nil {
			continue
		}
		if slices.ContainsFunc(list, func(r remote) bool { return idText(r.ID) == s.ID }) {
			return 0, 0
		}
		known := 0
		for _, r := range list {
			if !r.Learner {
				known++
			}
		}
		without, voters = without+1, max(voters, known)
	}
	return without, voters
}

// ask returns the members that the member with a peer URL knows.
func (m *Member) ask(ctx context.Context, peerURL string) (list []remote, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, peerURL+"/members", nil)
	if err != nil {
		return nil, err
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&list)
	return list, err
}

// refresh replaces the members in the state by those that another member knows. It is for the first start of a member:
// later ones read their own database.
func (m *Member) refresh(ctx context.Context) {
	if _, err := os.Stat(m.folder.path(etcdFolder, "member", "wal")); !m.state.Joined || err == nil {
		return
	}
	for _, p := range m.state.Members {
		if p.URL == m.state.Peer {
			continue
		}
		list, err := m.ask(ctx, p.URL)
		if err != nil || !slices.ContainsFunc(list, func(r remote) bool { return idText(r.ID) == m.state.ID }) {
			continue
		}
		var members []Peer
		for _, r := range list {
			members = append(members, Peer{Name: nameOf(r.PeerURLs), URL: r.PeerURLs[0]})
		}
		m.state.Members = members
		return
	}
}
