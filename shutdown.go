package midas

import (
	"context"
	"errors"
	"fmt"
)

// Shutdown ends the server. /readyz fails from now on and no more connections are accepted. Shutdown waits
// for the requests in flight, for at most Config.ShutdownTimeout and until ctx ends, and then releases
// everything. The error contains all failures, including the one that had made the server end by itself.
// Further calls wait for the first one and return the same error.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.end(func() error {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
		defer cancel()
		var errs []error
		for _, server := range s.enders() {
			if err := server.Shutdown(ctx); err != nil {
				errs = append(errs, fmt.Errorf("requests in flight were cut off after %s: %w", s.cfg.ShutdownTimeout, err))
			}
		}
		return errors.Join(errs...)
	})
}

// Close ends the server at once. Requests in flight are cut off; acknowledged writes are kept.
func (s *Server) Close() error {
	return s.end(func() error { return nil })
}

// ender is a server or an agent that accepts requests until it is ended.
type ender interface {
	Shutdown(context.Context) error
	Close() error
}

// enders lists the agents and servers in the order in which they end. Agents come first, because they send
// requests to the main listener.
func (s *Server) enders() []ender {
	var all []ender
	for _, a := range s.agents {
		all = append(all, a)
	}
	for _, server := range s.serving {
		all = append(all, server)
	}
	return all
}

// end runs drain, closes everything and releases it. Only the first call does so; the others wait for it.
func (s *Server) end(drain func() error) error {
	select {
	case <-s.ending:
	case <-s.ended:
		return s.err
	}
	defer close(s.ended)
	s.health.Drain()
	s.log.Info("ending", "within", s.cfg.ShutdownTimeout)
	errs := []error{drain()}
	for _, server := range s.enders() {
		errs = append(errs, server.Close())
	}
	s.stop()
	errs = append(errs, s.group.Wait(), s.resources.Release())
	s.err = errors.Join(errs...)
	return s.err
}
