package midas

import (
	"context"
	"errors"
	"fmt"
)

// Shutdown ends the server: /readyz fails, no more connections are taken, requests in flight are
// answered, for as long as Config.ShutdownTimeout and ctx allow, and then everything is given back.
// It returns what went wrong at any time, also what had ended the server by itself. Further calls
// wait for the first and return the same.
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

// Close ends the server at once. Requests in flight are cut off; what was acknowledged is kept.
func (s *Server) Close() error {
	return s.end(func() error { return nil })
}

// ender is what takes requests.
type ender interface {
	Shutdown(context.Context) error
	Close() error
}

// enders are in the order in which they are ended. Agents come first, because they send requests to the
// main listener.
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

// end runs once.
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
