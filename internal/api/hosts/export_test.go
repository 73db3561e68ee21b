package hosts

// Waits bounds the requests that wait.
type Waits struct{ waits }

// NewWaits makes Waits with a bound of all hosts together.
func NewWaits(most int) *Waits { return &Waits{waits{most: most, byHost: map[string][]*wait{}}} }

// Enter adds a request. It returns a channel that is closed when the request is displaced, and a function that
// removes the request.
func (s *Waits) Enter(host string) (displaced <-chan struct{}, leave func(), err error) {
	w, err := s.enter(host)
	if err != nil {
		return nil, nil, err
	}
	return w.displaced, func() { s.leave(w) }, nil
}

// Size returns the number of waiting requests and of their hosts.
func (s *Waits) Size() (requests, hosts int) { return s.all, len(s.byHost) }
