package hosts

// Label is the counter of an identity.
func (s *SignIns) Label(oid string) string { return s.label(oid) }

// Waits bounds the requests that wait.
type Waits struct{ waits }

// NewWaits makes an empty one, for so many requests in all.
func NewWaits(most int) *Waits { return &Waits{waits{most: most, byHost: map[string][]*wait{}}} }

// Enter adds a request. It gives a channel that is closed when the request is displaced, and the function
// that ends it.
func (s *Waits) Enter(host string) (displaced <-chan struct{}, leave func(), err error) {
	w, err := s.enter(host)
	if err != nil {
		return nil, nil, err
	}
	return w.displaced, func() { s.leave(w) }, nil
}

// Size is how many requests and hosts there are.
func (s *Waits) Size() (requests, hosts int) { return s.all, len(s.byHost) }
