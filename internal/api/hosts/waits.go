package hosts

import "sync"

// Bounds of the requests that wait for changes. An agent has one open, and for a moment a second one when
// it has given up a connection. A host that opens more has the oldest answered early; the bound on all
// is far above what file descriptors allow with one connection for each host.
const (
	maxWaitsOfHost = 3
	maxWaits       = 200_000
)

// waits are the requests that wait for changes, by host.
type waits struct {
	most int // in all

	mu     sync.Mutex
	all    int
	byHost map[string][]*wait // the oldest first
}

// wait is one of them.
type wait struct {
	host      string
	displaced chan struct{} // closed when it has to end for a newer one of its host
}

// enter adds a request. It displaces the oldest of a host that has too many, and gives an error where
// all hosts together have.
func (s *waits) enter(host string) (*wait, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := s.byHost[host]
	if len(mine) >= maxWaitsOfHost {
		close(mine[0].displaced)
		s.remove(mine[0])
	}
	if s.all >= s.most {
		return nil, busy()
	}
	w := &wait{host: host, displaced: make(chan struct{})}
	s.byHost[host] = append(s.byHost[host], w)
	s.all++
	return w, nil
}

// leave removes a request, if it was not displaced.
func (s *waits) leave(w *wait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(w)
}

func (s *waits) remove(w *wait) {
	mine := s.byHost[w.host]
	for i := range mine {
		if mine[i] != w {
			continue
		}
		s.all--
		if len(mine) == 1 {
			delete(s.byHost, w.host)
			return
		}
		rest := make([]*wait, 0, maxWaitsOfHost)
		s.byHost[w.host] = append(append(rest, mine[:i]...), mine[i+1:]...)
		return
	}
}
