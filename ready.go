package midas

import (
	"context"
	"errors"
	"fmt"

	"midas/internal/control"
	"midas/internal/datadir"
)

// Ready returns nil if a server that accepts requests runs on the data folder. It asks on the control socket, so the
// server's names, its certificate and its listeners do not matter. It uses only Data of cfg.
func Ready(ctx context.Context, cfg Config) error {
	cfg = cfg.withDefaults()
	client, err := control.Dial(ctx, datadir.Socket(cfg.Data))
	if errors.Is(err, control.ErrNotRunning) {
		return fmt.Errorf("no server is running on %s", cfg.Data)
	}
	if err != nil {
		return err
	}
	return client.Ready(ctx)
}
