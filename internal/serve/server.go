package serve

import (
	"errors"
	"fmt"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Server is an http.Server with its listeners.
type Server struct {
	*http.Server
	Listeners []net.Listener
	TLS       bool // Server.TLSConfig holds the certificate
}

// Start serves each listener in a goroutine of the group. An error of a listener ends the group; Shutdown and
// Close of the server are not errors.
func (s Server) Start(group *errgroup.Group) {
	s.ConnState, s.ConnContext = track(s.ConnState), withConn(s.ConnContext)
	s.Handler = bodyHandler{s.Handler}
	for _, l := range s.Listeners {
		group.Go(func() error { return s.serve(l) })
	}
}

func (s Server) serve(l net.Listener) (err error) {
	if s.TLS {
		err = s.ServeTLS(plainListener{l}, "", "")
	} else {
		err = s.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}
