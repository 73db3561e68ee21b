package midas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
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
		for _, server := range s.serving {
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
	for _, server := range s.serving {
		errs = append(errs, server.Close())
	}
	s.stop()
	errs = append(errs, s.group.Wait(), s.release())
	s.err = errors.Join(errs...)
	return s.err
}

func (s *Server) release() error {
	taken := s.resources
	s.resources = nil
	return release(taken)
}

// release gives back what was taken, the last first.
func release(taken []io.Closer) error {
	var errs []error
	for _, r := range slices.Backward(taken) {
		if err := r.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
