package hosts

import "sync"

// Bounds of the requests that wait for changes. An agent has one such request open, and a second one for a
// moment after it has given up a connection. If a host opens more than maxWaitsOfHost, its oldest request is
// answered early. maxWaits is far above the number of hosts that file descriptors allow, with one connection
// for each host.
const (
	maxWaitsOfHost = 3
	maxWaits       = 200_000
)

// waits are the requests that wait for changes, by host.
type waits struct {
	most int // the bound of all hosts together

	mu     sync.Mutex
	all    int
	byHost map[string][]*wait // the oldest first
}

// wait is a request that waits for changes.
type wait struct {
	host      string
	displaced chan struct{} // closed when the request must end because its host has opened newer ones
}

// enter adds a request. If the host has too many, its oldest request is displaced. If all hosts together have
// too many, enter returns the refusal of busy.
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

// leave removes a request. It does nothing if the request was displaced.
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
