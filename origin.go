package midas

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"midas/internal/control"
	"midas/internal/installation"
)

// SetOrigin changes the origin of the servers that share a store, in a running server or, when none runs on the data
// folder, in the store. All servers on the store end, and start again only with the new origin, or without a setting for
// it. Tokens of before are refused, because the origin is their issuer.
func SetOrigin(ctx context.Context, cfg Config, origin string) error {
	if origin == "" {
		return errors.New("origin: it is empty")
	}
	if err := (Config{Origin: origin}).checkOrigin(); err != nil {
		return err
	}
	return command(ctx, cfg, func(c control.Commands) error { return c.SetOrigin(ctx, origin) })
}

func setOrigin(ctx context.Context, st *opened, origin string) error {
	if !st.shared() {
		return errors.New("one server alone uses this store, and its origin is that of its configuration: start it with --origin")
	}
	return installation.SetOrigin(ctx, st, origin)
}

// SetOrigin changes the origin of all servers on the store.
func (o online) SetOrigin(ctx context.Context, origin string) error {
	return setOrigin(ctx, o.store, origin)
}

// SetOrigin changes the origin in a store that this process has opened. The master key must be there, so that a wrong
// store is noticed.
func (o *offline) SetOrigin(ctx context.Context, origin string) error {
	if o.store.shared() {
		if _, err := o.installation(ctx); err != nil {
			return err
		}
	}
	return setOrigin(ctx, o.store, origin)
}

// originOf is the origin of a server: that of its configuration, else the one in a shared store, else that of the
// cluster that it has just joined, else its own address.
func (s *Server) originOf(ctx context.Context, st *opened, joined string) (string, error) {
	recorded := ""
	if s.cfg.Origin == "" && st.shared() {
		var err error
		if recorded, err = installation.RecordedOrigin(ctx, st); err != nil {
			return "", fmt.Errorf("read the origin of the store %s: %w", storeName(s.cfg.Store), err)
		}
	}
	return cmp.Or(s.cfg.Origin, recorded, joined, "https://"+s.address), nil
}
